"""Predictions of other programs: label maps and probabilities in files, scored and calibrated without a study.

``spectralcal score`` and ``spectralcal calibrate``; docs/predictions.md shows both. Nothing here predicts.
"""
