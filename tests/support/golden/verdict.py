"""What a difference from the stored values means for a part, in words for whoever made it, and what may be recorded."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from golden.catalogue import Part
from golden.compare import Difference, differences
from golden.store import Golden, through_json
from golden.threads import one_thread

RECORD = "python tests/golden/record.py"
DEFAULT = "default of "


@dataclass(frozen=True)
class Verdict:
    """How a part stands beside its file.

    Attributes:
        numbers: values that changed.
        defaults: defaults that changed.
        added, gone: values and defaults that only the code, or only the file, has.
    """

    numbers: tuple[Difference, ...]
    defaults: tuple[Difference, ...]
    added: tuple[Difference, ...]
    gone: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether the file says what the code does."""
        return not (self.numbers or self.defaults or self.added or self.gone)


def fresh(part: Part, integers: Mapping[str, int]) -> Golden:
    """The part as it is now.

    Raises:
        LookupError: the part is new and nothing makes its input yet.
    """
    with one_thread(), contextlib.redirect_stderr(io.StringIO()):  # trainings tell how far they are
        values, defaults = through_json(part.compute()), through_json(part.defaults())
    return Golden(part.integer, values, defaults, {name: integers[name] for name in part.uses})


def compared(stored: Golden, now: Golden) -> Verdict:
    """The stored part beside the present one."""
    values = list(differences(stored.values, now.values))
    defaults = [
        Difference(f"{DEFAULT}{key}", stored.defaults.get(key), now.defaults.get(key), kind)
        for key, kind in _keys(stored.defaults, now.defaults)
    ]
    every = (*defaults, *values)
    return Verdict(
        numbers=tuple(each for each in values if each.kind == "changed"),
        defaults=tuple(each for each in defaults if each.kind == "changed"),
        added=tuple(each for each in every if each.kind == "added"),
        gone=tuple(each for each in every if each.kind == "gone"),
    )


def complaint(part: Part, stored: Golden | None, now: Golden, broken: Callable[[str], bool]) -> str | None:
    """What a test says of a part, in one line; None if it stands as recorded.

    Args:
        broken: whether a part that this one uses gives other values than its file has.
    """
    command = f"`{RECORD} '{part.name}'`"
    if stored is None:
        return f"{part.name}: no golden values; record them: {command}"
    found = compared(stored, now)
    moved = [name for name, integer in now.uses.items() if stored.uses.get(name) != integer]
    if now.numerics != stored.numerics:
        return (
            f"{part.name}: the integer is {now.numerics}, the golden values are those of {stored.numerics}; {command}"
        )
    if found.defaults:
        return f"{part.name}: {_default(part, found.defaults[0])}"
    if moved:
        return f"{part.name}: its values rest on {', '.join(moved)}, whose integer was raised; record again: {command}"
    if found.numbers:
        where = _change(found)
        guilty = [name for name in now.uses if broken(name)]
        if guilty:
            return (
                f"{part.name}: {where}; {', '.join(guilty)}, on which it rests, changed too: first see to the golden "
                f"values there, then {command}"
            )
        return (
            f"{part.name}: {where}. If that is meant, raise the integer in {part.declared_in}, so that results that it "
            f"made are made again, and record it: {command}; else restore what was computed before"
        )
    for first in found.added:
        if first.name.startswith(DEFAULT):
            return (
                f"{part.name}: {first.name}, {first.found!r}, is new: results that leave the key out stay valid only "
                f"if this does what was done before. If so, record it: {command}; else raise the integer in "
                f"{part.declared_in} first"
            )
        return f"{part.name}: {first.name} has no golden value yet; record it: {command}"
    if found.gone:
        return f"{part.name}: {found.gone[0].name} is in the golden values and is no more; record again: {command}"
    return None


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
        return _refused(f"{part.name}: {_default(part, found.defaults[0])}")
    if found.numbers and not moved:
        return _refused(
            f"{part.name}: {_change(found)}, and the integer is still {now.numerics}; raise the integer in "
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


def _default(part: Part, first: Difference) -> str:
    return (
        f"{first.name} was {first.expected!r}, is {first.found!r}: a changed default changes the results of studies "
        f"that leave the key out: raise the integer in {part.declared_in} or keep the default"
    )


def _keys(stored: Mapping[str, object], now: Mapping[str, object]) -> list[tuple[str, str]]:
    """Keys of either that differ, and how."""
    found = []
    for key in dict.fromkeys((*now, *stored)):
        if key not in stored or key not in now:
            found.append((key, "added" if key in now else "gone"))
        elif stored[key] != now[key] or type(stored[key]) is not type(now[key]):
            found.append((key, "changed"))
    return found


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _change(found: Verdict) -> str:
    """The first number that changed, and how many more did."""
    first = found.numbers[0]
    size = f", {first.size:.1e} of its scale" if first.size else ""
    more = f" (and {len(found.numbers) - 1} more)" if len(found.numbers) > 1 else ""
    return f"{first.name} was {_short(first.expected)}, is {_short(first.found)}{size}{more}"
