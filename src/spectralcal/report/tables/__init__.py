"""Tables of a study: one file each, a function from results to a tidy frame and its printed forms.

A file holds ``TABLE`` (the function) and ``TITLE``. The function is ``(results, experiment, **options) -> Table``.
"""
