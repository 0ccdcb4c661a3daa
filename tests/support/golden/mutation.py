"""Small changes of the package, made on purpose in a test, and which golden values they move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from golden import store
from golden.compare import Difference, differences
from golden.store import through_json
from golden.threads import one_thread

Change = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutation:
    """One change.

    Attributes:
        part: whose golden values must see it.
        compute: computes those of its values that are looked at.
        change: makes the change.
    """

    part: str
    compute: Callable[[], dict[str, Any]]
    change: Change

    def moved(self, patch: pytest.MonkeyPatch) -> list[Difference]:
        """The values that differ from the stored ones beyond their tolerance, with the change in place."""
        with patch.context() as changed:
            self.change(changed)
            return moved(self.part, self.compute)


def moved(part: str, compute: Callable[[], dict[str, Any]]) -> list[Difference]:
    """The values that differ from the stored ones beyond their tolerance."""
    with one_thread():
        now = through_json(compute())
    stored = store.read(part).values
    return list(differences({name: stored[name] for name in now}, now))


def through(holder: Any, name: str, change: Callable[..., Any]) -> Change:
    """A function of a module calls ``change(function, *arguments)`` instead of itself."""

    def mutate(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(holder, name, partial(change, getattr(holder, name)))

    return mutate


def value(holder: Any, name: str, new: Any) -> Change:
    """A constant of a module or class is another."""
    return lambda patch: patch.setattr(holder, name, new)


def scaled(cls: type, attribute: str, factor: float) -> Change:
    """What a class keeps of a constructor's argument is taken with a factor."""

    def mutate(patch: pytest.MonkeyPatch) -> None:
        plain = cls.__init__

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            plain(self, *args, **kwargs)
            setattr(self, attribute, factor * getattr(self, attribute))

        patch.setattr(cls, "__init__", init)

    return mutate
