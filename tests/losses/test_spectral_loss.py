"""The spectral loss against Algorithm 1 written out slowly in NumPy, its limits, options and state."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spectralcal.losses import SpectralEntropyCELoss, SpectralEntropyLoss
from spectralcal.losses._history import BandHistory
from spectralcal.spectral import band_power, confidence_map, spectral_entropy

EPS = 1e-6


class SlowAlgorithm1:
    """Algorithm 1 line by line: full centred transform, boolean shells, a list for the history, float64."""

    def __init__(self, bands=5, window=50, init="running"):
        self.bands, self.window, self.init, self.history, self.first = bands, window, init, [], None

    def powers(self, logits):
        rows = []
        for sample in logits:
            field = sample.max(axis=0)
            power = np.abs(np.fft.fftshift(np.fft.fftn(field))) ** 2
            axes = [np.arange(-(size // 2), size - size // 2) * min(field.shape) / size for size in field.shape]
            radius = np.sqrt(sum(grid**2 for grid in np.meshgrid(*axes, indexing="ij")))
            edges = [k * min(field.shape) / (2 * self.bands) for k in range(self.bands + 1)]
            rows.append(
                [
                    power[(radius > low + 1e-9 * (low > 0)) & (radius <= high + 1e-9)].sum()
                    for low, high in itertools.pairwise(edges)
                ]
            )
        return np.array(rows)

    @staticmethod
    def entropy(power):
        shares = power / (power.sum() + EPS)
        return -(shares * np.log(shares + EPS)).sum()

    def reference(self, batch):
        past = self.history
        if self.init == "fill_first" and not past:
            past = [batch] * (self.window - 1)
        past = [*past, batch][-self.window :]
        self.history = past
        if self.init == "pad_current":
            return np.mean(past + [batch] * (self.window - len(past)), axis=0)
        return np.mean(past, axis=0)

    def loss(self, logits, target_entropy=None):
        rows = self.powers(logits)
        if target_entropy is None:
            target_entropy = self.entropy(self.reference(rows.mean(axis=0)))
        self.target_entropy = target_entropy
        return np.mean([max(0.0, target_entropy - self.entropy(row)) ** 2 for row in rows])


def stream(steps, shape=(2, 3, 12, 10, 11), seed=0):
    """Batches whose spectra differ between samples and drift over time."""
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        kernel = F.avg_pool3d if len(shape) == 5 else F.avg_pool2d
        smooth = kernel(noise, 3, stride=1, padding=1)
        mix = torch.rand(shape[0], *[1] * (len(shape) - 1), generator=generator, dtype=torch.float64)
        yield (1 + step) * ((1 - mix) * noise + 3 * mix * smooth) + step


@pytest.mark.parametrize("init", ["running", "fill_first", "pad_current"])
@pytest.mark.parametrize(("window", "shape"), [(1, (2, 3, 12, 10, 11)), (4, (3, 2, 10, 10, 10)), (4, (2, 4, 15, 12))])
def test_value_and_gradient_match_algorithm_1_over_a_stream(init, window, shape):
    ours = SpectralEntropyLoss(window=window, history_init=init).double()
    slow = SlowAlgorithm1(window=window, init=init)
    penalised = 0
    for logits in stream(7, shape):
        logits.requires_grad_()
        value = ours(logits)
        assert value.item() == pytest.approx(slow.loss(logits.detach().numpy()), rel=1e-9, abs=1e-15)
        assert ours.diagnostics["target_entropy"].item() == pytest.approx(slow.target_entropy, rel=1e-9)
        penalised += value.item() > 0

        gradient = torch.autograd.grad(value, logits)[0].numpy()
        direction = np.random.default_rng(1).normal(size=gradient.shape)
        step, z = 1e-5, logits.detach().numpy()
        ahead, behind = (slow.loss(z + s * direction, slow.target_entropy) for s in (step, -step))
        assert (gradient * direction).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-4, abs=1e-10)
    assert penalised >= 5


def test_three_ways_to_begin_agree_at_the_first_step_and_when_the_window_is_full():
    losses = {
        i: SpectralEntropyLoss(window=4, history_init=i).double() for i in ("running", "fill_first", "pad_current")
    }
    for step, logits in enumerate(stream(8)):
        targets = []
        for loss in losses.values():
            loss(logits)
            targets.append(loss.diagnostics["target_entropy"].item())
        spread = max(targets) - min(targets)
        assert (spread < 1e-12) == (step == 0 or step >= 3)


def test_one_sample_and_no_window_is_zero_with_zero_gradient():
    loss = SpectralEntropyLoss(window=1)
    for logits in stream(3, (1, 3, 10, 10, 10)):
        z = logits.float().requires_grad_()
        value = loss(z)
        value.backward()
        assert value.item() == 0
        assert (z.grad == 0).all()


@pytest.mark.parametrize("kind", ["max_logit", "margin"])
def test_scale_of_the_field_changes_nothing(kind):
    logits = next(stream(1))
    one, other = (SpectralEntropyLoss(confidence=kind).double() for _ in range(2))
    assert one(logits).item() == pytest.approx(other(1000 * logits).item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["max_log_prob", "max_prob", "margin", "entropy"])
def test_gradient_on_an_invariant_map_has_no_class_common_part(kind):
    logits = next(stream(1)).requires_grad_()
    loss = SpectralEntropyLoss(confidence=kind).double()(logits)
    assert loss > 0
    gradient = torch.autograd.grad(loss, logits)[0]
    assert gradient.abs().max() > 0
    assert gradient.sum(1).abs().max() < 1e-12 * max(1.0, gradient.abs().max().item())


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("pool", ["power", "profile"])
def test_gradcheck_with_and_without_the_target_in_the_graph(detach, pool):
    loss = SpectralEntropyLoss(bands=2, window=3, detach_target=detach, pool=pool).double()
    loss(next(stream(1, (2, 2, 6, 5, 4), seed=3)))
    loss.eval()  # a fixed past: the function must not change while it is differentiated
    logits = next(stream(1, (2, 2, 6, 5, 4), seed=4)).requires_grad_()
    if detach:
        goal = loss._target_entropy(loss.power(confidence_map(logits.detach())), tuple(logits.shape[2:])).detach()
        loss._target_entropy = lambda power, size: goal
    assert loss(logits) > 0
    assert torch.autograd.gradcheck(loss, logits)


def test_detached_target_leaves_out_the_path_through_the_reference():
    logits = next(stream(1)).requires_grad_()
    free, fixed = (SpectralEntropyLoss(window=1, detach_target=d).double()(logits) for d in (False, True))
    assert free.item() == fixed.item()
    difference = torch.autograd.grad(free, logits)[0] - torch.autograd.grad(fixed, logits)[0]
    assert difference.abs().max() > 0


def test_evaluation_mode_and_failed_batches_leave_the_history_alone():
    loss = SpectralEntropyLoss(window=3)
    batches = [z.float() for z in stream(4)]
    loss(batches[0])
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    loss.eval()
    value = loss(batches[1])
    loss.train()
    broken = batches[2].clone()
    broken[0, 0, 0, 0, 0] = math.nan
    assert not torch.isfinite(loss(broken))
    for name, kept in before.items():
        torch.testing.assert_close(loss.state_dict()[name], kept, rtol=0, atol=0)
    assert loss(batches[1]).item() == value.item()


def test_window_forgets_what_is_older_than_the_window():
    batches = [z.float() for z in stream(6)]
    long, short = SpectralEntropyLoss(window=3), SpectralEntropyLoss(window=3)
    for z in batches[:-3]:
        long(10 * z + torch.randn_like(z))
    for z in batches[-3:]:
        a, b = long(z), short(z)
    assert a.item() == b.item()
    size = "12x10x11"
    assert torch.equal(long.history.sizes[size].values, short.history.sizes[size].values)


def test_every_size_has_a_history_of_its_own():
    """Two streams through one object, as deep supervision sends them, equal two objects with a stream each."""
    fine, coarse = [z.float() for z in stream(5)], [z.float()[..., ::2, ::2, ::2] for z in stream(5)]
    shared, one, other = (SpectralEntropyLoss(window=3, bands=2) for _ in range(3))
    for a, b in zip(fine, coarse, strict=True):
        assert shared(a).item() == one(a).item()
        assert shared(b).item() == other(b).item()
    resumed = SpectralEntropyLoss(window=3, bands=2)
    resumed.load_state_dict(shared.state_dict())
    assert resumed(fine[0]).item() == shared(fine[0]).item()
    assert resumed(coarse[0]).item() == shared(coarse[0]).item()


def test_a_new_size_in_evaluation_leaves_no_trace():
    loss = SpectralEntropyLoss(bands=2).eval()
    loss(next(iter(stream(1))).float())
    assert not loss.state_dict()


def test_inside_monais_deep_supervision():
    from monai.losses import DeepSupervisionLoss

    torch.manual_seed(0)
    loss = SpectralEntropyCELoss(bands=2)
    outputs = [torch.randn(2, 3, n, n, n, requires_grad=True) for n in (16, 8, 4)]
    target = torch.randint(0, 3, (2, 1, 16, 16, 16), dtype=torch.uint8)
    value = DeepSupervisionLoss(loss)(outputs, target)
    value.backward()
    assert sorted(loss.spectral.history.sizes) == ["16x16x16", "4x4x4", "8x8x8"]
    assert all(output.grad.abs().sum() > 0 for output in outputs)


def test_state_dict_round_trip_continues_bit_for_bit():
    for options in ({"window": 4}, {"history": "ema"}, {"window": 4, "history_init": "fill_first"}):
        batches = [z.float() for z in stream(9)]
        labels = torch.randint(0, 3, (2, 12, 10, 11))
        whole = SpectralEntropyCELoss(warmup_steps=6, **options)
        expected = [whole(z, labels).item() for z in batches]
        first = SpectralEntropyCELoss(warmup_steps=6, **options)
        for z in batches[:4]:
            first(z, labels)
        second = SpectralEntropyCELoss(warmup_steps=6, **options)
        second.load_state_dict(first.state_dict())
        assert [second(z, labels).item() for z in batches[4:]] == expected[4:]


def test_exponential_average():
    history = BandHistory(2, kind="ema", momentum=0.75).double()
    s = [torch.tensor(row, dtype=torch.float64) for row in ([4.0, 1.0], [8.0, 1.0], [0.0, 5.0])]
    assert history(s[0]).tolist() == [4, 1]
    assert history(s[1]).tolist() == [5, 1]
    assert history(s[2]).tolist() == [3.75, 2]


def test_pooling_profiles_gives_every_sample_the_same_say():
    logits = next(stream(1))
    logits[0] *= 1e4
    targets = {}
    for pool in ("power", "profile"):
        loss = SpectralEntropyLoss(window=1, pool=pool).double()
        loss(logits)
        targets[pool] = loss.diagnostics["target_entropy"]
    power = band_power(confidence_map(logits))
    shares = power / power.sum(1, keepdim=True)
    torch.testing.assert_close(targets["power"], spectral_entropy(power[:1])[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(targets["profile"], spectral_entropy(shares.mean(0)), rtol=1e-5, atol=1e-5)


def test_constant_target_is_log_k():
    loss = SpectralEntropyLoss(target="maximum", bands=4)
    loss(next(stream(1)).float())
    assert loss.diagnostics["target_entropy"].item() == pytest.approx(math.log(4), abs=1e-5)
    assert loss.diagnostics["penalised_fraction"].item() == 1


def test_taper_removes_the_mean_first():
    loss = SpectralEntropyLoss(taper="hamming", window=2).double()
    other = SpectralEntropyLoss(taper="hamming", window=2).double()
    logits = next(stream(1))
    torch.testing.assert_close(loss(logits), other(logits + 50), rtol=1e-6, atol=1e-12)
    plain = SpectralEntropyLoss(window=2).double()
    assert plain(logits).item() != loss(logits).item()


def test_sync_averages_the_batch_over_processes(monkeypatch):
    logits, elsewhere = (z.requires_grad_() for z in stream(2))
    theirs = band_power(confidence_map(elsewhere.detach())).mean(0)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.add_(theirs))
    loss = SpectralEntropyLoss(window=1, sync=True).double()
    loss(logits)
    both = band_power(confidence_map(torch.cat([logits, elsewhere]).detach())).mean(0)
    torch.testing.assert_close(loss.diagnostics["target_entropy"], spectral_entropy(both))
    own = SpectralEntropyLoss(window=1, sync=True, detach_target=False).double()
    assert torch.isfinite(torch.autograd.grad(own(logits), logits)[0]).all()


def test_total_is_cross_entropy_plus_the_weighted_term_and_warms_up():
    batches = [z.float() for z in stream(4)]
    labels = torch.randint(0, 3, (2, 12, 10, 11))
    total, bare = SpectralEntropyCELoss(weight=0.5, window=3, warmup_steps=2), SpectralEntropyLoss(window=3)
    for step, z in enumerate(batches):
        terms = total.terms(z, labels)
        assert list(terms) == ["ce", "spectral"]
        assert terms["ce"].item() == F.cross_entropy(z, labels).item()
        assert terms["spectral"].item() == pytest.approx(0.5 * min(step / 2, 1) * bare(z).item(), rel=1e-6)
    map_entropy = spectral_entropy(band_power(confidence_map(z, "max_prob"))).mean()
    torch.testing.assert_close(total.diagnostics["entropy_max_prob"], map_entropy, rtol=1e-5, atol=1e-6)
    assert set(total.diagnostics) == {"target_entropy", "sample_entropy", "penalised_fraction", "entropy_max_prob"}
    assert not any(value.requires_grad for value in total.diagnostics.values())
    assert "entropy_max_prob" not in _diagnostics(SpectralEntropyCELoss(monitor=False), z, labels)


def _diagnostics(loss, logits, labels):
    loss(logits, labels)
    return loss.diagnostics


def test_autocast_is_off_within_the_bare_term():
    loss, seen = SpectralEntropyLoss(), []
    power = loss.power
    loss.power = lambda field: seen.append(torch.is_autocast_enabled("cpu")) or power(field)
    with torch.autocast("cpu", torch.bfloat16):
        loss(next(stream(1)).float())
        assert torch.is_autocast_enabled("cpu")
    assert seen == [False]


def test_the_term_is_bounded_by_the_squared_entropy_range():
    loss = SpectralEntropyLoss(bands=5, target="maximum", edges="corner")
    for logits in stream(3):
        assert 0 <= loss(logits.float()) <= math.log(5) ** 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bands": 0}, "bands"),
        ({"window": 0}, "window"),
        ({"window": 2.5}, "window"),
        ({"weight": -0.1}, "weight"),
        ({"weight": math.nan}, "weight"),
        ({"warmup_steps": -1}, "warmup_steps"),
        ({"confidence": "softmax"}, "max_prob"),
        ({"edges": "round"}, "inscribed"),
        ({"history": "list"}, "ema"),
        ({"history_init": "zeros"}, "pad_current"),
        ({"momentum": 1.5}, "momentum"),
        ({"taper": "hann"}, "hamming"),
        ({"pool": "median"}, "profile"),
        ({"target": "none"}, "maximum"),
        ({"eps": 0.0}, "eps"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        SpectralEntropyCELoss(**options)


def test_too_many_bands_and_a_history_of_other_bands_are_named():
    with pytest.raises(ValueError, match=r"1 to 4, .* received 5 \(shell 1 of 5 has no frequency\)"):
        SpectralEntropyLoss(bands=5)(torch.zeros(1, 2, 9, 9, 9))
    assert SpectralEntropyLoss(bands=5)(torch.randn(1, 2, 9, 11, 13)).isfinite()  # no shell is empty
    history = BandHistory(5)
    history(torch.ones(5))
    with pytest.raises(ValueError, match="expected 5 bands"):
        history(torch.ones(3))
