"""spectralcal: calibration losses, metrics and spectral analysis for medical image segmentation.

Importing the package is cheap on purpose (no torch, no MONAI): the workflow starts a process for each job.
Import what you need: :mod:`spectralcal.losses`, :mod:`spectralcal.metrics`, :mod:`spectralcal.spectral`, ...
"""

__version__ = "0.1.0"

from spectralcal.base.moved import install

install()
