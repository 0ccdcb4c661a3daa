"""The metrics of a segmentation benchmark, as columns of a table: what is printed, in which unit, with which digits."""

from __future__ import annotations

from spectralcal.report.summary import Column

#: overlap and surface distances
SEGMENTATION = (
    Column("DSC", 100.0, "%", 1, higher=True),
    Column("HD95", 1.0, "mm", 2, distance=True),
    Column("ASD", 1.0, "mm", 2, distance=True),
)
#: calibration errors in thousandths
CALIBRATION = (
    Column("ECE", 1e3, "×10⁻³", 1),
    Column("SCE", 1e3, "×10⁻³", 1),
    Column("TACE", 1e3, "×10⁻³", 1),
)
#: under which protocol scores of overlap and distance are stored, which know no other
PROTOCOL = "paper"
