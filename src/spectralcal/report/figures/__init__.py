"""Figures of a study: one file each, a function from results to a drawing, its data and its caption.

A file holds ``FIGURE`` (the function), ``TITLE`` and ``NEEDS`` (probes that it reads besides scores: ``("maps",)``,
``("hotspots",)`` or nothing). The function is ``(results, experiment, **options) -> Drawn``; inside, ``frame`` computes
and ``draw`` draws.
"""
