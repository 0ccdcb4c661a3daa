"""One drawing per call, from your own arrays: an ``Axes`` in, the ``Axes`` out.

::

    histogram = CalibrationHistogram(num_classes=4).update(probabilities, target)
    ax = reliability(histogram)
    ax.figure.savefig("reliability.pdf")

Without ``ax`` each draws on new axes. Further keyword arguments go to the line that is drawn (``label``, ``color``), so
that several calls with one ``ax`` compare models. Matplotlib is imported when something is drawn.
"""

from spectralcal.plot.boundary_bands import boundary_bands
from spectralcal.plot.psd import psd
from spectralcal.plot.reliability import reliability
from spectralcal.plot.risk_coverage import risk_coverage

__all__ = ["boundary_bands", "psd", "reliability", "risk_coverage"]
