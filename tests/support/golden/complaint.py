"""What a failing golden test tells whoever made the change, in one line: what moved, and what to do."""

from __future__ import annotations

from collections.abc import Callable

from golden.catalogue import Part
from golden.store import Golden
from golden.verdict import DEFAULT, compared, default_changed, number_changed

RECORD = "python tests/golden/record.py"


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
        return f"{part.name}: {default_changed(part, found.defaults[0])}"
    if moved:
        return f"{part.name}: its values rest on {', '.join(moved)}, whose integer was raised; record again: {command}"
    if found.numbers:
        where = number_changed(found)
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
