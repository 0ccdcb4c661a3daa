"""Networks that are planned for a patch take the cell's, unless the configuration says otherwise."""

import pytest

from spectralcal.base import registry
from spectralcal.models import build_model
from spectralcal.models.options import check_patch, resolved_options, takes, typical_spacing_mm


@pytest.mark.parametrize("name", registry.names("models"))
def test_only_options_that_an_architecture_has_are_filled(name):
    filled = resolved_options(name, {}, (48, 32, 16), (1.0, 1.0, 4.0))
    known = registry.defaults("models", name)
    assert set(filled) == {"patch", "spacing_mm"} & set(known)
    assert {option for option in ("patch", "spacing_mm") if takes(name, option)} == set(filled)


def test_plans_and_grids_of_positions_take_the_patch():
    assert takes("nnunet", "patch")
    assert takes("nnunet", "spacing_mm")
    assert all(takes(f"transunet{form}", "patch") for form in ("", "_resnet", "_r50"))
    assert not takes("unet", "patch")


def test_what_the_configuration_says_stands_and_is_left_as_it_is():
    given = {"patch": [64, 64, 64], "base_channels": 8}
    assert resolved_options("nnunet", given, (32, 32, 32), (1.0, 1.0, 3.0)) == {
        "patch": [64, 64, 64],
        "base_channels": 8,
        "spacing_mm": (1.0, 1.0, 3.0),
    }
    assert given == {"patch": [64, 64, 64], "base_channels": 8}
    assert resolved_options("nnunet", {"patch": None}, (32, 32, 32))["patch"] == (32, 32, 32)
    assert "spacing_mm" not in resolved_options("nnunet", {}, (32, 32, 32))


def test_the_plan_follows_the_cell():
    """Thick slices and a small patch: not the network of 96^3 isotropic voxels."""
    options = resolved_options("nnunet", {"base_channels": 4, "max_channels": 8}, (8, 64, 64), (5.0, 1.0, 1.0))
    assert build_model("nnunet", 1, 2, **options).divisor == (2, 16, 16)
    grid = build_model("transunet", 1, 2, **resolved_options("transunet", {}, (64, 32, 32))).transformer.position
    assert grid.shape[1:4] == (4, 2, 2)


def test_typical_spacing_is_the_median_of_each_axis():
    assert typical_spacing_mm([(1.0, 1.0, 5.0), (1.2, 0.8, 3.0), (0.9, 2.0, 3.00004)]) == (1.0, 1.0, 3.0)


def test_a_patch_needs_a_size_for_each_axis():
    check_patch((32, 32), 2)
    with pytest.raises(ValueError, match=r"expected 3 sizes for 3-D images, found \[32, 32\]"):
        check_patch((32, 32), 3)
