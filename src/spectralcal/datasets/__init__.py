"""Data sets: where they come from, how their files pair, and a reader that validates what it reads.

One file per data set; :func:`spectralcal.base.registry.names` lists them. A new one is a subclass of :class:`Dataset`
in a file of its own, with ``DATASET = <ClassName>`` at its end.
"""

from spectralcal.datasets.base import Case, Dataset, Volume
from spectralcal.datasets.facts import DataFacts
from spectralcal.datasets.pictures import PictureReader

__all__ = ["Case", "DataFacts", "Dataset", "PictureReader", "Volume"]
