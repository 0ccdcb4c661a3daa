"""The metrics of the paper's tables, in its units and with its decimals."""

from __future__ import annotations

from spectralcal.report.summary import Column

DSC = Column("DSC", 100.0, "%", 2, higher=True)
IOU, SE, SP = (Column(name, 100.0, "%", 2, higher=True) for name in ("IOU", "SE", "SP"))
HD95 = Column("HD95", 1.0, "mm", 2, distance=True)
ECE, MCE = (Column(name, 100.0, "%", 2) for name in ("ECE", "MCE"))
OVERLAP = (DSC, IOU, SE, SP)
#: protocols of overlap: by image, and one confusion matrix for all
POOLED = "pooled_confusion"
AVERAGES = {"paper": "", POOLED: "pixels pooled"}
#: conventions on what is missed: this project's, and that of TransUNet's evaluation
CONVENTIONS = {"paper": "", "transunet": "TransUNet's convention, voxels"}
#: readings of the two calibration errors -> what they are
READINGS = {
    "paper": "15 bins of the largest probability",
    "two_classes": "mean and maximum of two true classes",
    "two_bins": "mean and maximum of two predicted classes",
    "positive": "15 bins of the foreground's probability",
}
