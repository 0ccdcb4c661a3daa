"""The loop: it learns, resumes exactly, sees the same data under every loss, and stops rather than diverges."""

import functools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spectralcal.base.errors import ResultError
from spectralcal.engine.history import history_text
from spectralcal.engine.optimization import learning_rate
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.set_aside import set_aside
from spectralcal.engine.train import Diverged, Interrupted, train
from spectralcal.losses import SegmentationLoss
from spectralcal.machine.memory import OutOfMemory
from spectralcal.study.config import TrainingConfig


class ToyCase:
    """A cube with a bright box; the task is to find the box."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.id, self.shape = f"case{seed}", (12, 12, 12)
        self._label = np.zeros(self.shape, np.uint8)
        corner = rng.integers(1, 6, 3)
        self._label[tuple(slice(c, c + 5) for c in corner)] = 1
        self._image = (self._label + 0.3 * rng.standard_normal(self.shape)).astype(np.float32)[None]
        self._foreground = np.insert(np.argwhere(self._label), 0, 1, axis=1).astype(np.int32)

    def image(self):
        return self._image

    def label(self):
        return self._label

    def foreground(self):
        return self._foreground


class StatefulLoss(SegmentationLoss):
    """Cross-entropy plus a term that depends on its own history, as the spectral loss does."""

    def __init__(self, weight=0.01):
        super().__init__()
        self.weight = weight
        self.register_buffer("average", torch.zeros(()))
        self.diagnostics = {}

    def terms(self, logits, target):
        if self.training:
            self.average = 0.9 * self.average + 0.1 * logits.detach().abs().mean()
        self.diagnostics = {"average": self.average.detach()}
        return {
            "ce": nn.functional.cross_entropy(logits, target),
            "pull": self.weight * (logits.abs().mean() - self.average).square(),
        }


class SpyNet(nn.Sequential):
    """A small network with dropout that remembers what it was shown."""

    def __init__(self):
        torch.manual_seed(5)
        super().__init__(nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.Dropout3d(0.2), nn.Conv3d(8, 2, 3, padding=1))
        self.seen = []

    def forward(self, x):
        self.seen.append(float(x.double().sum()))
        return super().forward(x)


def settings(**changes):
    base = {"steps": 30, "epoch_steps": 10, "patch": (8, 8, 8), "optimizer": "adamw", "learning_rate": 0.01}
    return TrainingConfig(**{**base, "precision": "fp32", "log_interval": 3, "checkpoint_interval": 7, **changes})


def run(tmp_path, config=None, loss=None, model=None, **options):
    config = config or settings()
    model = model or SpyNet()
    sampler = PatchSampler([ToyCase(i) for i in range(4)], config.patch, 2, 0.5, ("batch", "toy", 0))
    result = train(
        model, loss or StatefulLoss(), sampler, config, stream=("toy", 0), device=torch.device("cpu"),
        precision="fp32", checkpoint=tmp_path / "checkpoint.safetensors", fingerprint="f", **options,
    )  # fmt: skip
    return result, model


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def numbers(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def test_it_learns_and_keeps_a_complete_history(tmp_path):
    result, _ = run(tmp_path, settings(steps=60))
    assert [row["step"] for row in result.history] == [*range(0, 60, 3), 59]
    assert result.history[-1]["loss_ce"] < 0.5 * result.history[0]["loss_ce"]
    for row in result.history:
        assert row["loss"] == pytest.approx(row["loss_ce"] + row["loss_pull"], rel=1e-6)
        assert row["gradient_ce"] > 0
        assert np.isfinite(list(row.values())).all()


def test_logged_gradient_norms_are_those_of_the_terms(tmp_path):
    class Known(SegmentationLoss):
        def terms(self, logits, target):
            return {"ce": nn.functional.cross_entropy(logits, target), "sum": 3.0 * logits.sum()}

    result, _ = run(tmp_path, settings(steps=1), loss=Known())
    assert result.history[0]["gradient_sum"] == pytest.approx(3 * np.sqrt(2 * 2 * 8**3), rel=1e-6)


def test_two_runs_are_identical(tmp_path):
    (one, _), (other, _) = run(tmp_path / "a"), run(tmp_path / "b")
    assert same(one.weights, other.weights)
    assert numbers(one.history) == numbers(other.history)


@pytest.mark.parametrize(("step", "kind"), [(1, "adamw"), (7, "sgd"), (12, "adamw"), (29, "sgd")])
def test_a_stopped_run_resumes_bit_for_bit(tmp_path, step, kind):
    config = settings(optimizer=kind)
    whole, _ = run(tmp_path / "whole", config)

    class Killed(StatefulLoss):
        count = 0

        def terms(self, logits, target):
            Killed.count += 1
            if Killed.count == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().terms(logits, target)

    (tmp_path / "cut").mkdir()
    with pytest.raises(Interrupted, match=f"SIGTERM after step {step}; run again"):
        run(tmp_path / "cut", config, loss=Killed())
    resumed, _ = run(tmp_path / "cut", config)
    assert resumed.resumes == 1
    assert same(whole.weights, resumed.weights)
    assert numbers(whole.history) == numbers(resumed.history)


def test_a_checkpoint_of_other_settings_is_set_aside_and_said(tmp_path):
    run(tmp_path)
    checkpoint, messages = tmp_path / "checkpoint.safetensors", []
    content = checkpoint.read_bytes()
    model = SpyNet()
    sampler = PatchSampler([ToyCase(0)], (8, 8, 8), 2, 0.5, ("batch", "toy", 0))
    result = train(model, StatefulLoss(), sampler, settings(), stream=("toy", 0), device=torch.device("cpu"),
                   precision="fp32", checkpoint=checkpoint, fingerprint="other", notify=messages.append)  # fmt: skip
    assert result.resumes == 0
    assert len(model.seen) == 30
    assert set_aside(checkpoint).read_bytes() == content
    assert messages == [
        f"{checkpoint}: the checkpoint is of other settings, code or data; it is set aside as "
        "checkpoint.foreign.safetensors and training starts at step 0"
    ]


def test_a_checkpoint_that_cannot_be_written_ends_the_run(tmp_path, monkeypatch):
    def full(path, checkpoint):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spectralcal.engine.checkpoint.save_checkpoint", full)
    with pytest.raises(ResultError, match=r"could not be written .*No space left"):
        run(tmp_path)


def test_common_random_numbers_across_losses(tmp_path):
    _, one = run(tmp_path / "a", loss=StatefulLoss(weight=0.0))
    _, other = run(tmp_path / "b", loss=StatefulLoss(weight=10.0))
    assert one.seen == other.seen
    assert not same(one.state_dict(), other.state_dict())


def test_a_loss_that_is_not_finite_stops_with_the_cases_named(tmp_path):
    class Exploding(StatefulLoss):
        def terms(self, logits, target):
            terms = super().terms(logits, target)
            self.calls = getattr(self, "calls", 0) + 1
            return {**terms, "pull": terms["pull"] * float("nan")} if self.calls == 11 else terms

    with pytest.raises(Diverged, match=r"loss is nan at step 10 .*cases case\d, case\d.*last good checkpoint"):
        run(tmp_path, loss=Exploding())


def test_before_the_first_checkpoint_a_divergence_says_that_there_is_none(tmp_path):
    class Broken(StatefulLoss):
        def terms(self, logits, target):
            return {"ce": logits.sum() * float("inf")}

    with pytest.raises(Diverged, match=r"loss is (inf|nan|-inf) at step 0 .*there is no checkpoint yet"):
        run(tmp_path, loss=Broken())


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path):
    """sqrt at zero: the loss is finite, its gradient is not."""

    class Cliff(StatefulLoss):
        def terms(self, logits, target):
            return {"ce": (logits - logits.detach()).square().sum().sqrt()}

    model = SpyNet()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(Diverged, match=r"loss is 0\.0 at step 0 \(gradient norm nan"):
        run(tmp_path, model=model, loss=Cliff())
    assert same(before, model.state_dict())


def test_out_of_memory_says_what_to_lower(tmp_path):
    class Hungry(SpyNet):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(OutOfMemory) as caught:
        run(tmp_path, settings(patch=(16, 16, 16), batch_size=4), model=Hungry())
    assert str(caught.value) == (
        "out of memory at step 0: batch of 4 patches [16, 16, 16] on cpu; lower training.batch_size or training.patch "
        "(every method must then use it), or let fewer cells share the device"
    )


def test_a_compiled_network_is_the_one_that_is_trained(tmp_path, monkeypatch):
    compiled = []

    def fake(model):
        compiled.append(model)
        return lambda x: model(x) * 1.0

    monkeypatch.setattr(torch, "compile", fake)
    plain, _ = run(tmp_path / "plain")
    assert compiled == []
    result, model = run(tmp_path / "compiled", settings(compile=True))
    assert compiled == [model]
    assert same(plain.weights, result.weights)


def test_a_training_with_torch_compile_ends_where_an_eager_one_does(tmp_path, monkeypatch):
    """By the backend that traces as the default one does, without a C++ compiler."""
    from spectralcal.models import build_model

    def network():
        torch.manual_seed(0)
        return build_model("unet", 1, 2, channels=(4, 8, 8))

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    short = {"steps": 6, "log_interval": 1}
    plain, _ = run(tmp_path / "plain", settings(**short), model=network())
    found, _ = run(tmp_path / "compiled", settings(**short, compile=True), model=network())
    assert found.weights.keys() == plain.weights.keys()
    for name, value in plain.weights.items():
        torch.testing.assert_close(found.weights[name], value, rtol=1e-3, atol=1e-4)
    for ours, theirs in zip(plain.history, found.history, strict=True):
        assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-4)


def test_best_weights_are_those_of_the_best_validation_dice(tmp_path):
    dice = iter([0.2, 0.9, 0.4])
    snapshots = []

    def validate(model):
        snapshots.append({k: v.clone() for k, v in model.state_dict().items()})
        assert not model.training
        return next(dice)

    result, model = run(tmp_path, settings(validation_interval=1, select="best"), validation_dice=validate)
    assert [row["dice"] for row in result.validation] == [0.2, 0.9, 0.4]
    assert same(result.weights, snapshots[1])
    assert not same(result.weights, model.state_dict())


def test_multipliers_are_updated_once_an_epoch_from_validation_patches(tmp_path):
    events = []

    class Constrained(StatefulLoss):
        learns_from_validation = True

        def end_of_epoch(self, batches):
            events.append("start")
            for logits, target in batches:
                assert not logits.requires_grad
                assert logits.dtype == torch.float32
                events.append((tuple(logits.shape), tuple(target.shape)))
            events.append("finish")

    def batches():
        yield torch.zeros(2, 1, 8, 8, 8), torch.zeros(2, 8, 8, 8, dtype=torch.long)

    run(tmp_path, loss=Constrained(), validation_batches=batches)
    assert events == ["start", ((2, 2, 8, 8, 8), (2, 8, 8, 8)), "finish"] * 3


def test_deep_supervision_adds_a_term_and_leaves_the_method_its_own_output(tmp_path):
    class Deep(SpyNet):
        def forward(self, x):
            full = super().forward(x)
            return [full, nn.functional.avg_pool3d(full, 2)] if self.training else full

    result, _ = run(tmp_path, settings(steps=4, log_interval=1), model=Deep())
    for row in result.history:
        assert row["loss"] == pytest.approx(row["loss_ce"] + row["loss_pull"] + row["loss_auxiliary"], rel=1e-6)
        assert row["loss_auxiliary"] > 0


def test_learning_rate_schedules():
    poly = settings(steps=100, learning_rate=0.01)
    assert learning_rate(poly, 0) == 0.01
    assert learning_rate(poly, 50) == pytest.approx(0.01 * 0.5**0.9)
    assert learning_rate(poly, 99) > 0
    assert learning_rate(settings(schedule="constant", learning_rate=0.3), 17) == 0.3


def test_it_runs_outside_the_main_thread(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(run(tmp_path, settings(steps=2))))
    thread.start()
    thread.join()
    assert len(found) == 1


def test_history_text_has_a_column_per_quantity():
    text = history_text([{"step": 0.0, "loss": 0.5}, {"step": 5.0, "loss": 0.25, "extra": 1e-9}])
    assert text.splitlines() == ["step,loss,extra", "0,0.5,", "5,0.25,1e-09"]


@pytest.mark.slow
def test_a_process_killed_without_warning_resumes_bit_for_bit(tmp_path):
    """kill -9 leaves the last periodic checkpoint; the rest is computed again, to the same bits."""
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, os, signal
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_train as t
        class Killed(t.StatefulLoss):
            count = 0
            def terms(self, logits, target):
                Killed.count += 1
                if Killed.count == 18 and sys.argv[1] == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().terms(logits, target)
        result, _ = t.run(Path(sys.argv[2]), loss=Killed())
        import hashlib
        weights = b"".join(value.numpy().tobytes() for value in result.weights.values())
        print(result.resumes, hashlib.sha256(weights).hexdigest())
        """)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}

    def call(mode, folder):
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, script, mode, folder], capture_output=True, text=True, env=environment, check=False
        )

    assert call("kill", tmp_path / "cut").returncode == -signal.SIGKILL
    resumed, whole = call("go", tmp_path / "cut"), call("go", tmp_path / "whole")
    assert resumed.stdout.split()[0] == "1", resumed.stderr
    assert whole.stdout.split()[0] == "0"
    assert resumed.stdout.split()[1] == whole.stdout.split()[1]
