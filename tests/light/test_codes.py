"""The arrays of calibration.npz as few integers: all come back, also those for which nothing holds that is expected."""

import numpy as np
import pytest
from small_study import REGIONS, Study

from spectralcal.metrics.cells import cell_grid
from spectralcal.metrics.curve import CurveHistogram
from spectralcal.records.light.bands import decode_bands, encode_bands
from spectralcal.records.light.bins import decode_bins, encode_bins
from spectralcal.records.light.cell import of_arrays
from spectralcal.records.light.curves import decode_curves, encode_curves
from spectralcal.records.light.kept import kept, kept_spectra, mean_at, place_of
from spectralcal.records.light.parcel import from_bytes, to_bytes
from spectralcal.study.grid import study_cells


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """What is in the calibration.npz of a small cell."""
    results = Study(tmp_path_factory.mktemp("study"), methods=("ce",), seeds=(0,)).write()
    with np.load(results.paths.cell(study_cells(results.config)[0]).calibration) as content:
        return {name: content[name] for name in content.files}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def there_and_back(arrays):
    """What comes back of the bins, bands and curves, and the names that were coded."""
    coded = [encode(arrays) for encode in (encode_bins, encode_bands, encode_curves)]
    bins = decode_bins(coded[0][0])
    found = bins | decode_bands(coded[1][0], bins) | decode_curves(coded[2][0])
    return found, set().union(*(names for _, names in coded))


def test_what_is_kept_comes_back(full):
    arrays = kept(full)
    found, names = there_and_back(arrays)
    assert set(arrays) - names == {"cases", "distance/edges_mm"}
    assert_equal(found, {name: arrays[name] for name in names})


def test_regions_and_bands_that_the_prediction_chooses_come_back_and_are_coded(tmp_path):
    results = Study(tmp_path, methods=("ce",), seeds=(0,), predicted=True).write()
    with np.load(results.paths.cell(study_cells(results.config)[0]).calibration) as content:
        arrays = kept({name: content[name] for name in content.files})
    found, names = there_and_back(arrays)
    coded, predicted = encode_bands(arrays, "predicted_distance")
    assert set(arrays) - names - predicted == {"cases", "distance/edges_mm", "predicted_distance/edges_mm"}
    assert not any(array.size for name, array in coded.items() if "odd" in name)
    assert_equal(found, {name: arrays[name] for name in names})
    assert any(name.startswith("predicted_foreground/cases") for name in names)
    assert_equal(decode_bands(coded, found, "predicted_distance"), {name: arrays[name] for name in predicted})
    part = of_arrays("calibration.npz", arrays, "0" * 64)
    plain = [name for name in from_bytes(part.content) if name.startswith("plain/")]
    assert sorted(plain) == ["plain/cases", "plain/distance/edges_mm", "plain/predicted_distance/edges_mm"]


def test_the_code_has_no_exceptions_and_is_small(full):
    arrays = kept(full)
    for encode in (encode_bins, encode_bands):
        coded, names = encode(arrays)
        assert not any(array.size for name, array in coded.items() if "odd" in name)
        plain = sum(arrays[name].nbytes for name in names)
        assert len(to_bytes(coded)) < plain / 5


def test_counts_hits_and_the_top_label_are_kept_exactly(full):
    arrays = kept(full)
    for region in REGIONS:
        for name in ("count", "accuracy"):
            np.testing.assert_array_equal(arrays[f"{region}/cases/{name}"], full[f"{region}/cases/{name}"])
        means, exact = (found[f"{region}/cases/confidence"] for found in (arrays, full))
        np.testing.assert_array_equal(means[:, 0], exact[:, 0])
        off = np.abs(means[:, 1:] - exact[:, 1:])
        assert np.nanmax(off) > 0
        assert np.nanmax(off[..., 1:-1]) <= 8.2e-6
        assert np.nanmax(off[..., [0, -1]]) <= 3.2e-8
    for name in ("count", "hits", "confidence", "edges_mm"):
        assert arrays[f"distance/{name}"] is full[f"distance/{name}"]


def test_case_wise_errors_of_classes_hardly_change(full):
    """SCE of a case from the bins, in the digits that tables print (10^-3 with two decimals at most)."""
    arrays = kept(full)
    for region in REGIONS:
        errors = []
        for found in (arrays, full):
            count, means, right = (found[f"{region}/cases/{n}"][:, 1:] for n in ("count", "confidence", "accuracy"))
            gap = np.abs(np.nan_to_num(means) - np.nan_to_num(right)) * count
            errors.append(gap.sum(-1) / count.sum(-1))
        assert np.abs(errors[0] - errors[1]).max() < 2e-6


def test_what_is_kept_of_what_is_kept_is_the_same(full):
    arrays = kept(full)
    assert_equal(kept(arrays), arrays)
    steps = np.arange(16) * np.ones((3, 1), np.int64)
    np.testing.assert_array_equal(place_of(mean_at(steps)), steps)


def test_all_regions_are_kept_in_the_same_groups(full):
    arrays = kept(full)
    curves = {region: {n.rpartition("/")[2]: a for n, a in arrays.items() if n.startswith(f"{region}/pooled/")}
              for region in REGIONS}  # fmt: skip
    assert len({curve["starts"].tobytes() for curve in curves.values()}) == 1
    assert {CurveHistogram.from_arrays(curve).num_classes for curve in curves.values()} == {4}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_numbers_for_which_nothing_holds_come_back(seed, bins):
    """Regions that are not nested, means out of their bins, sums of no float32, cases without voxels."""
    random = np.random.default_rng(seed)
    arrays = {"cases": np.array(["a", "b", "c"])}
    names = ["reference", "elsewhere", "all", "boundary", "union"][: 2 + seed % 4]
    lower = cell_grid(bins).edges[:-1]
    for region in names:
        count = random.integers(0, 10 ** random.integers(1, 12), (3, 4, bins)) * (random.random((3, 4, bins)) < 0.7)
        hits = (count * random.random(count.shape)).astype(np.int64)
        means = lower + random.random(count.shape) / bins * random.choice([0.5, 1.0, 3.0])
        with np.errstate(invalid="ignore"):
            accuracy = hits / count
        arrays[f"{region}/cases/count"] = count
        arrays[f"{region}/cases/confidence"] = np.where(count > 0, means, np.nan)
        arrays[f"{region}/cases/accuracy"] = accuracy if seed % 2 else accuracy + 1e-9
    bands = random.integers(0, 500, (3, 6, bins))
    arrays |= {"distance/count": bands, "distance/hits": bands // 2, "distance/confidence": bands * random.random()}
    found, names = there_and_back(arrays)
    assert names == set(arrays) - {"cases"}
    assert_equal(found, {name: arrays[name] for name in names})


def test_arrays_of_another_shape_are_left_as_they_are(full):
    for name, array in (("all/cases/count", np.zeros(3)), ("distance/hits", np.zeros((2, 2, 2), np.int64)),
                        ("union/pooled/count", np.zeros((2, 2), np.int64))):  # fmt: skip
        arrays = {**kept(full), name: array}
        found, names = there_and_back(arrays)
        assert name not in names
        assert_equal(found, {key: arrays[key] for key in names})
    assert there_and_back({"cases": np.array(["a"])}) == ({}, set())


def test_a_power_has_seven_bits_behind_the_point_and_needs_no_more_when_it_is_kept_again():
    rng = np.random.default_rng(0)
    power = np.exp(rng.normal(-8, 6, (40, 24))).astype(np.float32).astype(np.float64)
    power[0, :4] = 0.0, np.nan, np.inf, 1.0
    arrays = {"psd_margin": power, "entropy_margin": power[:, 0]}
    once = kept_spectra(arrays)
    np.testing.assert_allclose(once["psd_margin"], power, rtol=2**-8, atol=0)
    np.testing.assert_array_equal(kept_spectra(once)["psd_margin"], once["psd_margin"])
    np.testing.assert_array_equal(once["entropy_margin"], power[:, 0])
    # The 16 last bits of a float32 are zero, so that they cost nothing when packed.
    assert not (once["psd_margin"].astype(np.float32).view(np.uint32)[1:] & 0xFFFF).any()
