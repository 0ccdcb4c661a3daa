"""YAML and CSV that anybody may have written: the content, or one line."""

import pytest
import yaml

from spectralcal.base.errors import ConfigError, DataError
from spectralcal.base.files import require_json
from spectralcal.base.texts import MOST_VALUES, csv_rows, parse_yaml
from spectralcal.study.config import load_config

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]\n" for n in range(1, 12))


@pytest.mark.parametrize("text", ["", "a: 1", "a: &x [1, 2]\nb: *x", "{a: {b: [1, 1e-3, ~]}}", "<<: {a: 1}\nb: 2"])
def test_yaml_is_what_pyyaml_says(text):
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 3000, "nested too deeply"),
        ("- " * 3000, "nested too deeply"),
        (BOMB, f"more than {MOST_VALUES:,} values"),
        ("a: &a [*a]", f"more than {MOST_VALUES:,} values"),
        ("a: 2026-02-31", "day is out of range"),
        ("? [a]\n: b", "unhashable key"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: b: c", "mapping values are not allowed"),
        ("a: \x00", "unacceptable character"),
        ("!!binary x", "decode"),
    ],
)
def test_what_no_yaml_should_be_is_one_line(text, said, tmp_path):
    with pytest.raises(ValueError, match=said) as error:
        parse_yaml(text)
    assert "\n" not in str(error.value)
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"study\.yaml: not valid YAML: "):
        load_config(tmp_path / "study.yaml")


def test_rows_of_csv_have_the_columns_of_the_first_line():
    assert csv_rows('a,b\n1,"x,\n""y"\n', ("a",)) == [{"a": "1", "b": 'x,\n"y'}]
    assert csv_rows("a,b\n", ("a", "b")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found no 'a'"),
        ("b\n1\n", "found no 'a'"),
        ("a,b\n1\n", "row 1 has another number of cells"),
        ("a,b\n1,2\n1,2,3\n", "row 2 has another number of cells"),
        ("a\n" + "x" * 200_000, "field larger than field limit"),
        ('a\n"x"y\n', "expected after"),
        ('a\n"x', "unexpected end of data"),
    ],
)
def test_a_damaged_csv_is_one_line(text, said):
    with pytest.raises(ValueError, match=said):
        csv_rows(text, ("a",))


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "x:\n  a: 1\n  a: 1\n", "- {a: 1, 'a': 2}", '{"a": 1, "a": 1}'])
def test_a_key_that_stands_twice_is_not_chosen_from(text, tmp_path):
    with pytest.raises(ValueError, match="the key 'a' stands twice, again in line"):
        parse_yaml(text)


def test_keys_of_other_mappings_may_be_equal():
    text = "a: &x {a: 1}\nb: {<<: *x, a: 2}\nc: [*x, *x]"
    assert parse_yaml(text) == yaml.safe_load(text)


def test_a_key_twice_in_json_is_said(tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text('{"labels": {"background": 0, "tumour": 1, "tumour": 2}}')
    with pytest.raises(DataError, match=r"no JSON \(the key 'tumour' stands twice\)"):
        require_json(path, "a description", "correct it")
