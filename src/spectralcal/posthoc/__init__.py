"""Steps after training, fitted on the validation cases and applied to the logits: ``ce+temperature`` in a study.

A file here names its entry with ``POST_HOC``: a class, a :class:`PostHocStep` as a rule, whose instances have
``fit(logits, labels)``, are called with logits (B, C, *spatial) and return logits of the same shape, and give
``parameters()`` for the record.
"""

from spectralcal.posthoc._step import PostHocStep

__all__ = ["PostHocStep"]
