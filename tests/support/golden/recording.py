"""What the command may write into a part's file, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from golden.catalogue import Part
from golden.compare import differences
from golden.store import Golden
from golden.verdict import DEFAULT, Verdict, compared, default_changed, number_changed


@dataclass(frozen=True)
class Outcome:
    """What the command does with a part: the file to write (None: none), what it says, whether it refuses."""

    golden: Golden | None
    said: str
    refused: bool = False


def recording(part: Part, stored: Golden | None, now: Golden) -> Outcome:
    """What becomes of a part's file.

    A stored number that still holds within the tolerance stays, so that recording on one machine after another moves
    nothing.
    """
    if stored is None:
        return Outcome(now, f"{part.name}: recorded")
    found = compared(stored, now)
    moved = [name for name, integer in now.uses.items() if stored.uses.get(name, integer) != integer]
    if now.numerics < stored.numerics:
        return _refused(
            f"{part.name}: the integer went down from {stored.numerics} to {now.numerics}, and results of both could "
            f"be taken for each other; choose one above {stored.numerics} in {part.declared_in}"
        )
    if now.numerics > stored.numerics:
        return _raised(part, stored, now, found)
    if found.defaults:
        return _refused(f"{part.name}: {default_changed(part, found.defaults[0])}")
    if found.numbers and not moved:
        return _refused(
            f"{part.name}: {number_changed(found)}, and the integer is still {now.numerics}; raise the integer in "
            f"{part.declared_in}"
        )
    if found.numbers:
        return Outcome(now, f"{part.name}: {len(found.numbers)} numbers changed with {', '.join(moved)}")
    if found.same and stored.uses == now.uses:
        return Outcome(None, f"{part.name}: as recorded")
    told = [f"{len(each)} {word}" for each, word in ((found.added, "added"), (found.gone, "gone")) if each]
    keys = [first.name for first in found.added if first.name.startswith(DEFAULT)]
    warning = f"; {', '.join(keys)}: must do what was done before the key was there" if keys else ""
    return Outcome(
        _merged(stored, now), f"{part.name}: {', '.join(told) or 'integers of what it uses recorded'}{warning}"
    )


def _raised(part: Part, stored: Golden, now: Golden, found: Verdict) -> Outcome:
    said = f"{part.name}: {stored.numerics} -> {now.numerics}"
    if found.numbers or found.defaults:
        return Outcome(now, f"{said}, {len(found.numbers) + len(found.defaults)} numbers changed")
    return Outcome(
        _merged(stored, now),
        f"{said}, but no number changed: unless something changes that these values do not show (then add one that "
        "does), take the integer back and spare everybody the runs",
    )


def _refused(said: str) -> Outcome:
    return Outcome(None, f"refused: {said}", refused=True)


def _merged(stored: Golden, now: Golden) -> Golden:
    """The present part, with stored numbers where they still hold."""
    values = {name: stored.values.get(name, value) for name, value in now.values.items()}
    for name, value in now.values.items():
        if any(differences({name: values[name]}, {name: value}, float("inf"))):
            values[name] = value  # of another form: something in it came or went
    return Golden(now.numerics, values, now.defaults, now.uses)
