"""What the paper's own design can resolve: one training of each loss and a handful of test subjects."""

from __future__ import annotations

import numpy as np

#: test subjects of a split of 4 : 1 : 1 (Sec. 4.1) of the two smallest data sets: 50 and 10 subjects
SUBJECTS = {"promise12": 8, "iseg2017": 2}


def standard_error(differences: np.ndarray, subjects: int) -> float:
    """Standard error of a difference of two losses that are trained once each and compared on a number of subjects.

    Training, subject and the rest are random; their variances come from the two-way analysis of variance of trainings
    and patients, those below zero counting as zero.

    Args:
        differences: (S, P) paired differences by training and patient; S and P at least 2.
        subjects: of the design.

    Raises:
        ValueError: fewer than two trainings or patients.
    """
    seeds, patients = differences.shape
    if min(seeds, patients) < 2:
        raise ValueError(f"expected two or more trainings and patients, received {seeds} and {patients}")
    by_seed, by_patient = differences.mean(1), differences.mean(0)
    rest = differences - by_seed[:, None] - by_patient + differences.mean()
    residual = (rest**2).sum() / ((seeds - 1) * (patients - 1))
    training = max(by_seed.var(ddof=1) - residual / patients, 0.0)
    patient = max(by_patient.var(ddof=1) - residual / seeds, 0.0)
    return float(np.sqrt(training + (patient + residual) / subjects))
