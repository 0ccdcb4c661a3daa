"""No part computes other numbers than its integer stands for; the message of a failure says what to do."""

from __future__ import annotations

import functools
import re

import pytest
from golden.catalogue import parts
from golden.complaint import complaint
from golden.verdict import compared, fresh

from golden import store
from spectralcal.base import registry
from spectralcal.study import numerics

PARTS = parts()
#: bytes of all files together
SIZE = 300_000


@functools.cache
def now(name):
    return fresh(PARTS[name], {part.name: part.integer for part in PARTS.values()})


def broken(name):
    stored = store.read(name) if name in PARTS else None
    return stored is not None and bool(compared(stored, now(name)).numbers)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_computes_what_its_integer_stands_for(name):
    said = complaint(PARTS[name], store.read(name), now(name), broken)
    if said is not None:
        pytest.fail(said, pytrace=False)


def test_every_integer_has_golden_values_and_no_file_is_left_over():
    declaring = [
        path for path in registry.PACKAGE.rglob("*.py") if re.search(r"^\s*NUMERICS = ", path.read_text(), re.MULTILINE)
    ]
    assert len(PARTS) == len(declaring) + len(numerics.ENGINE), "a part is not in tests/support/golden/catalogue.py"
    assert set(numerics.ENGINE) <= set(PARTS)
    expected = {store.path_of(name) for name in PARTS}
    found = set(store.VALUES.rglob("*.json"))
    assert not sorted(found - expected), "files of parts that are no more: remove them"
    assert not sorted(expected - found), "parts without a file: python tests/golden/record.py"
    assert sum(path.stat().st_size for path in store.VALUES.rglob("*")) < SIZE


def test_what_a_part_rests_on_are_parts():
    assert {used for part in PARTS.values() for used in part.uses} <= set(PARTS)
