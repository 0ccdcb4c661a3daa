"""What a cell computes in: the three requests, the verdict that is kept, and what scoring does with a training's."""

import copy
import os

import pytest
import torch
from torch import nn

from spectralcal.base.errors import ConfigError
from spectralcal.engine import arithmetic
from spectralcal.engine.arithmetic import scoring_arithmetic, structure, training_arithmetic
from spectralcal.engine.bfloat16 import Verdict
from spectralcal.machine import memory, processor
from spectralcal.machine.device import native_precision
from spectralcal.machine.environment import peak_memory_mb
from spectralcal.models import build_model
from spectralcal.study.config import InferenceConfig, TrainingConfig

CPU = torch.device("cpu")
WRONG = Verdict("gradient of deep.weight is not finite", None)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty cache, on a machine that says it multiplies bfloat16."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(arithmetic, "native_precision", lambda device: "bf16")
    return tmp_path


@pytest.fixture
def probed(monkeypatch):
    """Calls of the probe, whose verdicts are those of `answers`; the last one stays."""
    calls, answers = [], [Verdict(None, 1.25)]

    def probe(network, shape, device, **options):
        calls.append((tuple(shape), options["gradients"], options["layout"]))
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(arithmetic, "probe", probe)
    probe.calls, probe.answers = calls, answers
    return probe


def network(width=4):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, 3, 1))


def training(request="auto", model=None, **changes):
    settings = TrainingConfig(**{"precision": request, "patch": (12, 16), "batch_size": 3, **changes})
    return training_arithmetic(settings, model or network(), 1, CPU, "toy, unet, ce, seed 0")


def scoring(request="auto", trained_in="bf16", model=None):
    settings = TrainingConfig(precision=request, patch=(12, 16), batch_size=3)
    inference = InferenceConfig(batch_size=5)
    return scoring_arithmetic(settings, inference, trained_in, model or network(), 1, CPU, "toy, unet, ce, seed 0")


def test_auto_is_bf16_where_the_network_passes(probed, capsys):
    found = training()
    assert (found.precision, found.requested, found.probe, found.deviation) == ("bf16", "auto", "passed", 1.25)
    assert found.processor
    assert probed.calls == [((3, 1, 12, 16), True, torch.channels_last)]
    assert capsys.readouterr().err == ""


def test_auto_falls_back_with_one_line(probed, capsys):
    probed.answers[:] = [WRONG]
    found = training(channels_last=False)
    assert (found.precision, found.probe) == ("fp32", "failed: gradient of deep.weight is not finite")
    assert probed.calls[0][2] == torch.contiguous_format
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("toy, unet, ce, seed 0: trains in float32, since a training step of 3 x 1 x 12 x 16 ")
    assert "gradient of deep.weight is not finite" in line
    assert found.processor in line
    assert torch.__version__ in line


def test_bf16_that_fails_is_an_error_with_its_remedy(probed):
    assert training("bf16").precision == "bf16"
    probed.answers[:] = [WRONG]
    with pytest.raises(ConfigError, match=r"training\.precision: bf16 was asked for.*not finite.*use auto or fp32$"):
        training("bf16", network(5))


def test_fp32_and_devices_without_bf16_need_no_probe(probed, monkeypatch, capsys):
    assert training("fp32").record()["probe"] == "not needed: float32 was asked for"
    monkeypatch.setattr(arithmetic, "native_precision", lambda device: "fp32")
    for found in (training("auto"), scoring("auto")):
        assert (found.precision, found.probe) == ("fp32", "not needed: no native bfloat16 here")
    assert probed.calls == []
    assert training("bf16").precision == "bf16"  # slow, and asked for
    assert capsys.readouterr().err == ""


def test_a_verdict_is_kept_and_its_line_is_said_each_time(probed, capsys):
    probed.answers[:] = [WRONG]
    first, second = training(), training("auto", copy.deepcopy(network()))
    assert first == second
    assert len(probed.calls) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("damage", ["", "[]", '{"question": 1}'])
def test_a_damaged_cache_is_asked_in_vain(probed, home, damage):
    training()
    for path in home.rglob("*.json"):
        path.write_text(damage)
    assert training().probe == "passed"
    assert len(probed.calls) == 2


def test_an_answer_of_another_kind_is_none(probed, monkeypatch):
    monkeypatch.setattr(arithmetic, "recall", lambda name, question: {"verdict": "fine"})
    assert training().probe == "passed"
    assert len(probed.calls) == 1


def test_without_a_cache_each_run_asks(probed, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    assert training() == training()
    assert len(probed.calls) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: training(batch_size=2),
        lambda patch: training(patch=(12, 12)),
        lambda patch: training(channels_last=False),
        lambda patch: training(model=network(5)),
        lambda patch: patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE"),
        lambda patch: patch.setenv("ATEN_CPU_CAPABILITY", "avx2"),
        lambda patch: patch.setattr(torch, "__version__", "99.0"),
        lambda patch: patch.setattr(torch, "get_num_threads", lambda: 64),
        lambda patch: patch.setattr(processor, "_first_core", lambda: {"model name": "another"}),
        lambda patch: patch.setattr(arithmetic, "file_digest", lambda path: "another probe"),
    ],
)
def test_whatever_decides_the_kernels_is_part_of_the_question(probed, monkeypatch, change):
    training()
    change(monkeypatch)
    training()
    assert len(probed.calls) == 2


def test_options_that_no_shape_shows_are_part_of_a_networks_structure():
    options = {"channels": (4, 4, 8, 8), "blocks": 1, "width": 16, "depth": 2}
    torch.manual_seed(0)
    two, four, again = (build_model("transunet", 1, 2, spatial_dims=2, heads=heads, **options) for heads in (2, 4, 2))
    assert structure(two) == structure(again) != structure(four)
    assert structure(two) == structure(two.eval())
    assert structure(nn.Conv2d(4, 4, 3)) != structure(nn.Conv2d(4, 4, 3, stride=2))


def test_scoring_keeps_to_what_the_training_was_in(probed, capsys):
    assert scoring(trained_in="fp32").record() | {"processor": ""} == {
        "precision": "fp32", "requested": "auto", "probe": "not needed: the network was trained in float32",
        "deviation": None, "processor": "",
    }  # fmt: skip
    assert probed.calls == []
    for trained_in in ("bf16", None):
        assert scoring(trained_in=trained_in).precision == "bf16"
    assert scoring("fp32").precision == "fp32"
    assert probed.calls == [((5, 1, 12, 16), False, torch.contiguous_format)]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("request_", ["auto", "bf16"])
def test_scoring_falls_back_whatever_was_asked_for(probed, capsys, request_):
    """The weights are there, and what they were asked to be trained in cannot be changed without training again."""
    probed.answers[:] = [Verdict("output 0 is not finite", None)]
    assert scoring(request_).precision == "fp32"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("toy, unet, ce, seed 0: is scored in float32, since predictions go wrong in bfloat16 here")


def test_wrong_gradients_do_not_touch_scoring():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.view_as(x)

        @staticmethod
        def backward(context, gradient):
            return gradient / 0

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network()

        def forward(self, x):
            y = self.body(x)
            return Wrong.apply(y) if torch.is_autocast_enabled("cpu") else y

    torch.manual_seed(0)
    model = Model()
    assert training(model=model).precision == "fp32"
    assert scoring(model=model).precision == "bf16"


def test_a_gpu_that_is_too_small_for_float32_is_asked_for_less(probed):
    full = torch.OutOfMemoryError("CUDA out of memory")
    probed.answers[:] = [full, full, Verdict(None, 1.5)]
    found = training(patch=(64, 48), batch_size=4)
    assert found.deviation == 1.5
    assert [shape for shape, *_ in probed.calls] == [(4, 1, 64, 48), (2, 1, 64, 48), (1, 1, 64, 48)]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "out of memory in float32"),
        (MemoryError(), "out of memory in float32"),
        (FloatingPointError("the network is not finite in float32"), "the network is not finite in float32"),
    ],
)
def test_nothing_is_kept_where_no_probe_was_possible(probed, home, error, says):
    probed.answers[:] = [error]
    found = training()
    assert (found.precision, found.probe) == ("bf16", f"not possible: {says}")
    assert not list(home.rglob("*.json"))


def test_other_errors_are_the_networks_own(probed):
    probed.answers[:] = [RuntimeError("expected 2 channels")]
    with pytest.raises(RuntimeError, match="expected 2 channels"):
        training()


@pytest.mark.parametrize("limit", ["AVX2", "avx512_core", "AVX512_CORE_VNNI"])
@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_bf16_is_not_native_where_its_instructions_are_switched_off(monkeypatch, name, limit):
    for variable in processor.CHOOSING:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert native_precision(CPU) == "bf16"
    monkeypatch.setenv(name, limit)
    assert native_precision(CPU) == "fp32"
    for enough in ("ALL", "AVX512_CORE_BF16", "AVX512_CORE_AMX", "DEFAULT"):
        monkeypatch.setenv(name, enough)
        assert native_precision(CPU) == "bf16"


X86 = "processor\t: 0\nmodel name\t: AMD EPYC 9474F\nflags\t\t: fpu avx512_bf16\ncpu MHz\t: {}\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nBogoMIPS\t: {}\nFeatures\t: fp asimd bf16\nCPU implementer\t: 0x41\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(("text", "name"), [(X86, "AMD EPYC 9474F"), (ARM, None), ("", None), ("\xff\n::\n:", None)])
def test_the_processor_is_what_linux_says_of_a_core(tmp_path, monkeypatch, text, name):
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPUINFO", file)
    file.write_text(text.format("2100.1") if "{}" in text else text, encoding="utf-8")
    first = processor.arithmetic_facts(CPU)
    assert first["name"] == processor.processor_name(CPU)
    assert first["name"] == name if name else first["name"]
    if "{}" in text:
        file.write_text(text.format("3700.9"))
        assert processor.arithmetic_facts(CPU) == first
        file.write_text(text.replace("bf16", ""))
        assert processor.arithmetic_facts(CPU) != first


def test_a_system_without_that_file_has_a_processor_too(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "none")
    assert processor.processor_name(CPU)
    assert processor.arithmetic_facts(CPU)["torch"] == torch.__version__


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system keeps the peak")
def test_peaks_are_counted_from_now_on():
    block = torch.ones(2**25)  # 128 MiB
    high = peak_memory_mb()
    del block
    memory.forget_peak(CPU)
    assert peak_memory_mb() < high - 100
