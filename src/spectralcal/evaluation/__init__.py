"""Scoring of one cell: sliding-window prediction, the way back to the original grid, metrics, histograms, spectra."""
