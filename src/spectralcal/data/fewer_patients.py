"""A split with fewer training patients, so that one data set can be studied at several sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from spectralcal.base.errors import DataError
from spectralcal.data.splits import LEFT_OUT, HasPatient, draw


def keep_train_patients(
    split: Mapping[str, Sequence[str]], cases: Iterable[HasPatient], count: int, seed: int = 0
) -> dict[str, list[str]]:
    """A split with its first `count` training patients; the cases of the others stand under ``left_out``.

    Patients are ordered by the hash of seed and name, as where they are drawn: the patients of a smaller count are
    among those of a larger one, so that studies of different sizes are nested. Validation and test stay as they are.

    Args:
        split: ids by part, of which those in ``train`` are thinned out.
        cases: all cases of the manifest.
        count: training patients to keep, 1 or more; each with all of its training cases.
        seed: of the order.

    Returns:
        ``{"train": ids, "val": ids, "test": ids, "left_out": ids}``, each sorted.

    Raises:
        DataError: more patients than the training part has.
        ValueError: a count below 1.
    """
    if count < 1:
        raise ValueError(f"expected at least one training patient, got {count}")
    patient = {case.id: case.patient for case in cases}
    ordered = sorted({patient[case] for case in split["train"]}, key=lambda name: (draw(seed, name), name))
    if count > len(ordered):
        raise DataError(
            f"split.train_patients: expected at most the {len(ordered)} patients of the training part, found {count}; "
            "lower it, or set null to train on all"
        )
    kept = set(ordered[:count])
    train = [case for case in split["train"] if patient[case] in kept]
    left_out = [case for case in split["train"] if patient[case] not in kept]
    return {"train": sorted(train), "val": sorted(split["val"]), "test": sorted(split["test"]),
            LEFT_OUT: sorted(left_out)}  # fmt: skip
