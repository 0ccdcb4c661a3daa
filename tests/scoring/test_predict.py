import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from spectralcal.engine.predict import predict_probabilities, window_starts
from spectralcal.machine.memory import OutOfMemory
from spectralcal.study.config import InferenceConfig

CPU = {"device": torch.device("cpu"), "precision": "fp32"}


class Pointwise(nn.Module):
    """Logits that depend on the voxel alone: any windowing must give the same answer as the whole volume at once."""

    def forward(self, x):
        return torch.cat([x, -x, 0.5 * x.square()], dim=1)


def image(*shape):
    return np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)


@pytest.mark.parametrize("blending", ["gaussian", "constant"])
@pytest.mark.parametrize("shape", [(20, 17, 9), (6, 30, 5), (4, 4, 4)])
def test_windows_are_blended_without_a_trace(shape, blending):
    settings = InferenceConfig(blending=blending)
    found = predict_probabilities(Pointwise(), image(*shape), (8, 8, 8), settings, **CPU)
    expected = torch.softmax(Pointwise()(torch.from_numpy(image(*shape))[None]), 1)[0]
    assert found.shape == (3, *shape)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.sum(0), torch.ones(shape), rtol=0, atol=1e-6)


def test_probabilities_are_averaged_not_logits():
    """Two windows that disagree: the mean of their probabilities, not the softmax of their mean logits."""

    class Alternating(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            logits = torch.zeros(x.shape[0], 2, *x.shape[2:])
            logits[:, 0] = 4.0 if self.calls % 2 else -1.0
            return logits

    settings = InferenceConfig(overlap=0.5, blending="constant")
    found = predict_probabilities(Alternating(), image(8, 8, 12), (8, 8, 8), settings, **CPU)
    middle = found[0, 4, 4, 5]
    expected = (torch.sigmoid(torch.tensor(4.0)) + torch.sigmoid(torch.tensor(-1.0))) / 2
    assert float(middle) == pytest.approx(float(expected), abs=1e-5)


def test_a_post_hoc_step_acts_on_the_logits():
    found = predict_probabilities(
        Pointwise(), image(8, 8, 8), (8, 8, 8), InferenceConfig(), transform=lambda z: z / 3, **CPU
    )
    expected = torch.softmax(Pointwise()(torch.from_numpy(image(8, 8, 8))[None]) / 3, 1)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_two_dimensions():
    found = predict_probabilities(Pointwise(), image(20, 13), (8, 8), InferenceConfig(), **CPU)
    assert found.shape == (3, 20, 13)


class Placed(nn.Module):
    """A small network that pads at the border, so that a voxel's answer depends on its place in the window."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv3d(2, 3, 5, padding=2)

    def forward(self, x):
        return 3 * self.body(x)


@pytest.mark.parametrize("blending", ["gaussian", "constant"])
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    ("shape", "patch", "overlap"),
    [((23, 17, 19), (8, 8, 8), 0.5), ((9, 30, 12), (8, 6, 12), 0.25), ((10, 10, 33), (10, 8, 16), 0.0)],
)
def test_it_computes_what_monai_does(shape, patch, overlap, batch_size, blending):
    from monai.inferers import sliding_window_inference

    model, volume = Placed(), np.concatenate([image(*shape), 2 * image(*shape)])
    settings = InferenceConfig(overlap=overlap, blending=blending, batch_size=batch_size)
    found = predict_probabilities(model, volume, patch, settings, **CPU)
    with torch.inference_mode():
        expected = sliding_window_inference(
            torch.from_numpy(volume)[None], patch, 2, lambda x: torch.softmax(model(x), 1), overlap, mode=blending
        )[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@given(st.integers(1, 200), st.integers(0, 300), st.floats(0, 0.99))
def test_windows_cover_an_axis_and_end_with_it(patch, more, overlap):
    size = patch + more
    starts = window_starts(size, patch, overlap)
    assert starts[0] == 0
    assert starts[-1] == size - patch
    steps = np.diff(starts)
    assert (steps > 0).all()
    assert (steps <= max(int(patch * (1 - overlap)), 1)).all()


def test_only_the_result_is_as_large_as_the_volume():
    class Largest(TorchDispatchMode):
        sizes: tuple[int, ...] = ()

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            found = function(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor):
                self.sizes = (*self.sizes, found.untyped_storage().nbytes())
            return found

    shape, patch = (200, 12, 10), (8, 8, 8)
    with Largest() as watched:
        found = predict_probabilities(Pointwise(), image(*shape).astype(np.float16), patch, InferenceConfig(), **CPU)
    result = found.numel() * 4
    slab = 3 * 8 * 12 * 10 * 4
    assert {size for size in watched.sizes if size > slab} == {result}


def test_a_window_that_does_not_fit_says_what_to_lower():
    class Full(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmany lines")

    with pytest.raises(
        OutOfMemory, match=r"out of memory while predicting: 2 windows \[8, 8\] on cpu; lower inference"
    ):
        predict_probabilities(Full(), image(20, 13), (8, 8), InferenceConfig(batch_size=2), **CPU)


def test_an_image_of_a_memory_map_is_read_as_it_is(tmp_path):
    np.save(tmp_path / "image.npy", image(20, 12, 9).astype(np.float16))
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    found = predict_probabilities(Pointwise(), mapped, (8, 8, 8), InferenceConfig(), **CPU)
    expected = torch.softmax(Pointwise()(torch.from_numpy(np.array(mapped, np.float32))[None]), 1)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
