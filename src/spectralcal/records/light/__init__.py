"""Finished cells in the form in which they are published: one file per cell of at most 100 kB on average.

Scores, histories and the bins of the top label are exact, to the byte; of histograms of all voxels the curve is kept
(:mod:`spectralcal.metrics.curve`), and of spectra's powers 7 bits. docs/sharing.md says what is in the file.
"""
