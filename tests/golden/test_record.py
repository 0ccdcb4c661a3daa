"""What may be recorded, what is refused, and what a failing golden test tells its reader."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from golden.catalogue import parts
from golden.compare import EVALUATED, differences, floats, summary
from golden.complaint import complaint
from golden.defaults import SECTIONS
from golden.recording import recording
from golden.store import Golden

from golden import store
from spectralcal.study.config import TrainingConfig

PART = parts()["losses/focal"]
STORED = Golden(1, {"a": 0.5, "n": 3, "norms": {"norm": 2.0, "along": [0.0, 1.0]}}, {"gamma": 3.0}, {"split": 1})


def changed(numerics=1, defaults=None, uses=None, **values):
    return Golden(
        numerics, {**STORED.values, **values}, STORED.defaults if defaults is None else defaults, uses or STORED.uses
    )


def said(now, broken=()):
    return complaint(PART, STORED, now, lambda name: name in broken)


class TestComparison:
    def test_floats_have_a_tolerance_and_integers_have_none(self):
        assert not list(differences({"a": 1.0, "n": 3}, {"a": 1.0 + EVALUATED / 2, "n": 3}))
        assert [each.name for each in differences({"a": 1.0, "n": 3}, {"a": 1 + 2 * EVALUATED, "n": 4})] == ["a", "n"]
        assert list(differences({"n": 1}, {"n": 1.0}))
        assert list(differences({"n": 1}, {"n": True}))

    def test_small_numbers_of_a_list_are_judged_by_its_largest(self):
        assert not list(differences({"a": [1.0, 1e-7]}, {"a": [1.0, 2e-7]}))
        assert [each.name for each in differences({"a": [1.0, 1e-3]}, {"a": [1.0, 2e-3]})] == ["a[1]"]

    def test_an_array_that_moves_anywhere_is_seen(self):
        array = [float(index % 7) for index in range(1000)]
        for place in (0, 500, 999):
            moved = list(array)
            moved[place] += 0.5
            assert list(differences({"x": summary(array)}, {"x": summary(moved)}))
        assert list(differences({"x": summary(array)}, {"x": summary(array[::-1])}))

    def test_what_is_not_a_number_counts_by_how_many_there_are(self):
        assert not list(differences({"x": summary([1.0, float("nan")])}, {"x": summary([1.0, float("nan")])}))
        assert list(differences({"x": summary([1.0, float("nan")])}, {"x": summary([1.0, 0.0])}))
        assert list(differences({"x": floats([1.0, float("nan")])}, {"x": floats([1.0, 0.0])}))

    def test_the_tolerance_is_the_codes_and_reaches_inward(self):
        loose = {"run": {"within": 0.1, "loss": 1.05, "weights": {**summary([2.0]), "within": 1e-6}}}
        assert not list(differences({"run": {"loss": 1.0, "weights": summary([2.0])}}, loose))
        assert list(differences({"run": {"loss": 1.0, "weights": summary([2.00001])}}, loose))
        assert list(differences({"run": {"within": 0.1, "loss": 1.0}}, {"run": {"loss": 1.05}}))


class TestComplaint:
    def test_nothing_to_say(self):
        assert said(STORED) is None
        assert said(changed(a=0.5 * (1 + 1e-7))) is None

    def test_a_changed_number_asks_for_the_integer(self):
        found = said(changed(a=0.51, n=4))
        assert found.startswith("losses/focal: a was 0.5, is 0.51, 2.0e-02 of its scale (and 1 more).")
        assert "raise the integer in src/spectralcal/losses/focal.py (NUMERICS)" in found
        assert "`python tests/golden/record.py 'losses/focal'`" in found

    def test_a_number_that_changed_with_what_it_rests_on_points_there(self):
        found = said(changed(a=0.51), broken={"split"})
        assert "split, on which it rests, changed too: first see to the golden values there" in found
        assert "raise" not in found

    def test_a_raised_integer_asks_for_a_record(self):
        assert "the integer is 2, the golden values are those of 1" in said(changed(numerics=2, a=0.51))
        assert "rest on split, whose integer was raised; record again" in said(changed(a=0.51, uses={"split": 2}))

    def test_a_changed_default(self):
        found = said(changed(defaults={"gamma": 2.0}))
        assert (
            "default of gamma was 3.0, is 2.0: a changed default changes the results of studies that leave the key "
            "out: raise the integer in src/spectralcal/losses/focal.py (NUMERICS) or keep the default" in found
        )

    def test_an_added_default(self):
        found = said(changed(defaults={"gamma": 3.0, "tilt": 0.0}))
        assert "default of tilt, 0.0, is new" in found
        assert "stay valid only if this does what was done before" in found

    def test_values_that_came_or_went(self):
        assert "b has no golden value yet" in said(changed(b=1.0))
        assert "n is in the golden values and is no more" in said(Golden(1, {"a": 0.5, "norms": STORED.values["norms"]},
                                                                          STORED.defaults, STORED.uses))  # fmt: skip

    def test_no_file(self):
        assert "no golden values; record them" in complaint(PART, None, STORED, lambda name: False)


class TestRecording:
    @pytest.mark.parametrize(
        ("now", "why"),
        [
            (changed(a=0.51), "the integer is still 1; raise the integer in src/spectralcal/losses/focal.py"),
            (changed(n=4), "n was 3, is 4"),
            (changed(defaults={"gamma": 2.0}), "or keep the default"),
            (changed(numerics=0), "the integer went down from 1 to 0"),
        ],
    )
    def test_refused(self, now, why):
        outcome = recording(PART, STORED, now)
        assert outcome.refused
        assert outcome.golden is None
        assert why in outcome.said

    def test_a_raised_integer_is_taken_and_questioned_if_nothing_changed(self):
        now = changed(numerics=2, a=0.51)
        outcome = recording(PART, STORED, now)
        assert (outcome.golden, outcome.refused) == (now, False)
        assert "1 -> 2, 1 numbers changed" in outcome.said
        assert "no number changed" in recording(PART, STORED, changed(numerics=2)).said
        assert recording(PART, STORED, changed(numerics=2, defaults={"gamma": 2.0})).golden.defaults == {"gamma": 2.0}

    def test_rounding_of_another_machine_moves_nothing(self):
        near = changed(a=0.5 * (1 + 1e-7), b=7.0)
        assert recording(PART, STORED, near).golden.values == {**STORED.values, "b": 7.0}
        assert recording(PART, STORED, changed(a=0.5 * (1 + 1e-7))).golden is None

    def test_a_new_value_inside_an_old_one_is_written(self):
        inner = {"norms": {**STORED.values["norms"], "holes": 1}, "n": 3, "a": 0.5}
        stored = Golden(1, {"run": {"a": 0.5}}, {}, {})
        outcome = recording(PART, stored, Golden(1, {"run": inner}, {}, {}))
        assert outcome.golden.values["run"] == inner

    def test_what_it_rests_on_may_move_it(self):
        outcome = recording(PART, STORED, changed(a=0.51, uses={"split": 2}))
        assert outcome.golden.uses == {"split": 2}
        assert outcome.golden.values["a"] == 0.51

    def test_an_added_default_is_recorded_with_a_reminder(self):
        outcome = recording(PART, STORED, changed(defaults={"gamma": 3.0, "tilt": 0.0}))
        assert outcome.golden.defaults["tilt"] == 0.0
        assert "default of tilt: must do what was done before the key was there" in outcome.said


class LaterConfig(TrainingConfig):
    """The section as somebody may change it: another default, and a key more."""

    momentum: float = 0.95
    tilt: float = 0.0


def test_a_default_that_changes_in_the_configuration_is_seen(monkeypatch):
    part = parts()["training"]
    stored = store.read("training")
    now = Golden(stored.numerics, stored.values, part.defaults(), stored.uses)
    assert complaint(part, stored, now, lambda name: False) is None
    monkeypatch.setitem(SECTIONS, "training", (LaterConfig, SECTIONS["training"][1]))
    later = Golden(stored.numerics, stored.values, part.defaults(), stored.uses)
    found = complaint(part, stored, later, lambda name: False)
    assert "default of momentum was 0.99, is 0.95: a changed default changes the results" in found
    assert "raise the integer in src/spectralcal/study/numerics.py (ENGINE, 'training') or keep the default" in found
    kept = Golden(stored.numerics, stored.values, {**part.defaults(), "momentum": 0.99}, stored.uses)
    assert "default of tilt, 0.0, is new" in complaint(part, stored, kept, lambda name: False)


def command():
    path = Path(__file__).with_name("record.py")
    spec = importlib.util.spec_from_file_location("record", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_the_command_writes_once_and_then_refuses_what_is_not_so(tmp_path, capsys):
    main = command()
    assert main(["losses/ce"], tmp_path) == 0
    assert main(["losses/ce"], tmp_path) == 0
    assert capsys.readouterr().out == "losses/ce: recorded\nlosses/ce: as recorded\n"
    path = store.path_of("losses/ce", tmp_path)
    content = json.loads(path.read_text())
    content["values"]["ce"]["step 1"]["ce"] *= 1.001
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    assert main(["losses/ce"], tmp_path) == 1
    assert "refused: losses/ce: ce/step 1/ce was" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_a_part_that_is_not_there(tmp_path, capsys):
    assert command()(["losses/none"], tmp_path) == 1
    assert "unknown part 'losses/none'; expected one of: losses/ce" in capsys.readouterr().err
