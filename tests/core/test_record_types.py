"""Records whose values are of another kind than records have count as damaged, wherever they are read."""

import json

import pytest

from spectralcal.base.files import parse_json, read_record
from spectralcal.base.record_types import is_sound

CELL = {"dataset": "a", "architecture": "unet", "method": "ce", "seed": 0}
RUN = {
    "fingerprint": "ab", "parts": {"recipe": "cd"}, "identity": {}, "cell": CELL, "seconds": 1.5, "resumes": 0,
    "settings": {"loss": "ce", "training": {"steps": 10}}, "files": {"weights.safetensors": "ef"},
    "environment": {"packages": {"torch": "2"}}, "arithmetic": {"probe": "passed"},
}  # fmt: skip
TABLE = {
    "kind": "tables", "name": "table1", "command": "x", "files": {}, "options": {},
    "cells": [{**CELL, "status": "complete", "fingerprint": "ab"}],
}  # fmt: skip


@pytest.mark.parametrize("record", [RUN, TABLE, {}, {"something": [None]}])
def test_a_record_as_it_is_written_is_sound(record):
    assert is_sound(record)


@pytest.mark.parametrize("key", list(RUN))
@pytest.mark.parametrize("value", [None, True, [], ["a"], "text", 3, {"a": 1}, float("nan")], ids=repr)
def test_each_key_holds_one_kind_of_value(key, value):
    kinds = {str: "text", float: 3, int: 3, dict: {"a": 1}}
    own = kinds[type(RUN[key])] == value and key not in ("files", "parts")  # these map names to text
    assert is_sound({**RUN, key: value}) == own


@pytest.mark.parametrize(
    ("record", "path"),
    [(RUN, ("environment", "packages")), (RUN, ("settings", "training")), (RUN, ("settings", "training", "steps")),
     (RUN, ("files", "weights.safetensors")), (TABLE, ("cells", 0, "seed")), (TABLE, ("cells", 0))],
)  # fmt: skip
def test_what_lies_deeper_is_looked_at_too(record, path):
    changed = json.loads(json.dumps(record))
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = ["x"]
    assert not is_sound(changed)


@pytest.mark.parametrize("key", ["kind", "name", "command", "files"])
def test_a_product_without_what_products_have_is_damaged(key):
    assert not is_sound({name: value for name, value in TABLE.items() if name != key})
    lacking = [{name: value for name, value in TABLE["cells"][0].items() if name != "status"}]
    assert not is_sound({**TABLE, "cells": lacking})


def test_reading_says_missing_damaged_or_sound(tmp_path):
    path = tmp_path / "run.json"
    assert read_record(path) is None
    path.write_text(json.dumps(RUN))
    assert read_record(path) == RUN
    path.write_text(json.dumps({**RUN, "files": ["weights.safetensors"]}))
    assert read_record(path) == {}


def test_brackets_without_end_are_no_json():
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000)
