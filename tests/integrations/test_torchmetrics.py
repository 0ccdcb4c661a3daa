"""The metric in the shape of torchmetrics has the histogram's values, over batches, processes and checkpoints."""

from __future__ import annotations

import pytest
import torch
import torch.multiprocessing as multiprocessing
from torchmetrics import MetricCollection

from spectralcal.integrations.torchmetrics import MEASURES, CalibrationError
from spectralcal.metrics import CalibrationHistogram


def batches(number=4):
    generator = torch.Generator().manual_seed(0)
    for _ in range(number):
        logits = 3 * torch.randn((2, 3, 9, 8), generator=generator)
        yield logits.softmax(1), torch.randint(0, 3, (2, 9, 8), generator=generator)


def whole(number=4):
    histogram = CalibrationHistogram(3)
    for probabilities, target in batches(number):
        histogram.update(probabilities, target)
    return histogram


@pytest.mark.parametrize("measure", MEASURES)
def test_values_are_those_of_the_histogram(measure):
    metric = CalibrationError(3, measure)
    for probabilities, target in batches():
        value = metric(probabilities, target)  # forward: the batch's own value
        single = CalibrationHistogram(3).update(probabilities, target)
        assert float(value) == pytest.approx(MEASURES[measure](single), rel=1e-6)
    assert float(metric.compute()) == pytest.approx(MEASURES[measure](whole()), rel=1e-6)
    metric.reset()
    assert metric.histogram().count == 0


def test_forms_of_labels_and_own_measures():
    metric = CalibrationError(3, lambda histogram: histogram.over_under().signed, ignore_index=255)
    expected = CalibrationHistogram(3)
    for probabilities, target in batches():
        marked = torch.where(torch.rand(target.shape) < 0.3, 255, target)
        metric.update(probabilities, marked.unsqueeze(1).float())
        expected.update(probabilities, marked, ignore_index=255)
    assert float(metric.compute()) == pytest.approx(expected.over_under().signed, rel=1e-6)
    with pytest.raises(ValueError, match="measure: expected one of ece"):
        CalibrationError(3, "accuracy")


def test_a_collection_counts_once_and_a_checkpoint_goes_on():
    collection = MetricCollection({name: CalibrationError(3, name) for name in ("ece", "sce", "nll")})
    for probabilities, target in batches():
        collection.update(probabilities, target)
    assert len(collection.compute_groups) == 1
    values = collection.compute()
    assert float(values["sce"]) == pytest.approx(whole().sce(), rel=1e-6)

    first, second = CalibrationError(3), CalibrationError(3)
    for metric in (first, second):
        metric.persistent(True)
    given = list(batches())
    for batch in given[:2]:
        first.update(*batch)
    second.load_state_dict(first.state_dict())
    for batch in given[2:]:
        second.update(*batch)
    assert float(second.compute()) == pytest.approx(whole().ece(), rel=1e-6)


def _process(rank: int, store: str, results: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    metric = CalibrationError(3)
    for probabilities, target in list(batches())[rank::2]:
        metric.update(probabilities, target)
    value = metric.compute()
    with metric.sync_context():
        torch.save({"value": value, "counts": metric.counts}, f"{results}{rank}")
    torch.distributed.destroy_process_group()


def test_two_processes_have_the_value_of_one(tmp_path):
    multiprocessing.spawn(_process, (str(tmp_path / "store"), str(tmp_path / "rank")), nprocs=2)
    single = CalibrationError(3)
    for batch in batches():
        single.update(*batch)
    for rank in range(2):
        found = torch.load(tmp_path / f"rank{rank}", weights_only=True)
        assert torch.equal(found["counts"], single.counts)
        torch.testing.assert_close(found["value"], single.compute(), rtol=1e-6, atol=0)
