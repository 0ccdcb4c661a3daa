"""Hotspots of every test case, and one slice to look at: the file behind Figure 8.

Every trained method is compared with the baseline, not the paper's alone: a loss that lowers confidence for another
reason may coincide with the hotspots just as well, and so may the baseline itself, trained with another seed. A method
of the same seed shares initial weights and batches with the baseline, and so some of its noise, which cancels in the
difference; the baseline of another seed shares none. To be compared with that control, a method must be of the other
seed too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.scoring.probe import Probe, Probed

#: prefix of the arrays that belong to the slice
_SLICE = "shown_"


class Hotspots(Probe):
    """High frequencies of the baseline's confidence in every test case, against the other methods' confidence."""

    every_seed = True
    other_seeds = True
    windows = False  # logits of one fixed patch: a sliding window blends probabilities and has no logits

    def measure(self, probed: Probed) -> dict[str, np.ndarray]:
        """Measure the hotspots of all cases. Memory: one case, and the weights of all methods.

        Without a trained and scored baseline, or without another method, the arrays name no method: figures show a
        hole.

        Returns:
            ``baseline``, and for M methods (the baseline among them is that of another seed, where the study has one)
            and N cases: ``methods`` (M,), ``cases`` (N,), ``cutoff``, ``strengths`` (S,) and ``coefficients`` (R,);
            ``difference`` (M, N, S, R, 3): correlation of hotspot and confidence difference, mean and sd of its null;
            ``following_methods`` (F,) and ``following`` (F, N, S, R, 3): the same with the methods' next seed, without
            the baseline, of which ``difference`` has that; ``error`` (N, S, R, 3): the same with the baseline's errors;
            ``distance`` (N,): Spearman's correlation of the magnitude with the distance to the boundary; ``voxels`` (N,
            bins), ``difference_profile`` (M, N, 2, bins) and ``error_profile`` (N, 2, bins): sums by bin of signed
            strength, observed and expected; ``histogram`` (M, bins, bins) of all cases; ``strength_edges``,
            ``difference_edges``; and ``shown_*``, the slice of the case with the median Dice of the baseline (arrays
            (H, W), or (H, W, 1) of a volume). Definitions are in :mod:`spectralcal.scoring.hotspots`.
        """
        from spectralcal.probes._hotspots import measured

        name = probed.baseline
        plain = next((c for c in probed.cells if c.key.method == name and c.files.cases.is_file()), None)
        others = [cell for cell in probed.cells if cell.key.method != name] if plain else []
        following = [later for cell in others if (later := probed.next_seed(cell))]
        if others and (control := probed.next_seed(probed.cell_of(name))):
            others.append(control)
        if plain is None or not others:
            return {"baseline": np.array(name), "methods": np.array([], dtype=np.str_)}
        return {"baseline": np.array(name), **measured(probed, plain, others, following)}

    def numbers(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Everything but the slice that Figure 8 shows."""
        return {name: array for name, array in arrays.items() if not name.startswith(_SLICE)}


PROBE = Hotspots
NUMERICS = 1  # see spectralcal.study.numerics
