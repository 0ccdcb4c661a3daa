"""How far the spectrum of a predicted probability agrees with that of the label: the number beside Figure 8's maps."""

from __future__ import annotations

import numpy as np

from spectralcal.scoring.contract import Prediction, Scored, ScoredCase, Scorer, row

#: thirds of the radii of frequencies, zero frequency left out
BANDS = ("low", "middle", "high")


class Agreement(Scorer):
    """Of each class, protocol "paper": ``spectral_correlation`` (Pearson, of log amplitudes over all frequencies) and
    ``coherence_low``, ``coherence_middle``, ``coherence_high`` (with phase, by third of the radii).

    Of volumes the mean over slices along the last axis that have the structure; of a case without it, absent.
    """

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of every class."""
        import torch

        from spectralcal.spectral import spectral_coherence, spectrum_correlation

        probabilities, reference = prediction.probabilities, case.reference
        if reference.ndim == 2:
            probabilities, reference = probabilities[..., None], reference[..., None]
        rows = []
        for index, name in enumerate(case.classes, start=1):
            mask = reference == index
            slices = np.flatnonzero(mask.any((0, 1)))
            values = np.full(1 + len(BANDS), np.nan)
            if len(slices):
                fields = [
                    torch.from_numpy(np.ascontiguousarray(np.moveaxis(field[..., slices], -1, 0), dtype=np.float32))
                    for field in (probabilities[index], mask)
                ]
                shells = spectral_coherence(*fields, bands=len(BANDS)).numpy()  # (slices, bands)
                every = np.column_stack([spectrum_correlation(*fields).numpy(), shells]).astype(float)
                known = np.isfinite(every)
                count = known.sum(0)
                values = np.divide(np.where(known, every, 0).sum(0), count, out=values, where=count > 0)
            rows += [
                row(name, metric, "paper", value, "ok" if np.isfinite(value) else "absent")
                for metric, value in zip(METRICS, values, strict=True)
            ]
        return Scored(rows)


METRICS = ("spectral_correlation", *(f"coherence_{band}" for band in BANDS))

SCORER = Agreement
