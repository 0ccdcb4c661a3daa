"""How a part stands beside its golden values: what changed, came and went, and the words for it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from golden.catalogue import Part
from golden.compare import Difference, differences
from golden.store import Golden, through_json
from golden.threads import one_thread

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


def number_changed(found: Verdict) -> str:
    """The first number that changed, and how many more did."""
    first = found.numbers[0]
    size = f", {first.size:.1e} of its scale" if first.size else ""
    more = f" (and {len(found.numbers) - 1} more)" if len(found.numbers) > 1 else ""
    return f"{first.name} was {_short(first.expected)}, is {_short(first.found)}{size}{more}"


def default_changed(part: Part, first: Difference) -> str:
    """Why a changed default must not stay as it is."""
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
