"""Tables 1 to 4 against numbers recomputed from cases.parquet by an independent path: plain loops over its rows."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from statistics import fmean, stdev

import pyarrow.parquet as pq
import pytest

from spectralcal.papers.spectral_entropy.tables.table1 import table1
from spectralcal.papers.spectral_entropy.tables.table2 import table2
from spectralcal.papers.spectral_entropy.tables.table3 import table3
from spectralcal.papers.spectral_entropy.tables.table4 import table4

METHODS = ("ce", "focal", "spectral@window=1", "spectral@weight=0.1", "spectral")
#: metric -> factor to the printed unit and printed decimals
PRINTED = {"DSC": (100, 1), "HD95": (1, 2), "ASD": (1, 2), "ECE": (1e3, 1), "SCE": (1e3, 1), "TACE": (1e3, 1)}
MAKERS = {"table1": table1, "table2": table2, "table3": table3, "table4": table4}


def recomputed(path, protocol="paper"):
    """(data set, architecture, method, metric) -> mean of each seed, by seed: classes, then cases, then nothing."""
    scores = defaultdict(list)
    for row in pq.read_table(path).to_pylist():
        if row["protocol"] == protocol and row["value"] is not None and not math.isnan(row["value"]):
            cell = row["dataset"], row["architecture"], row["method"], row["metric"]
            scores[cell, row["seed"], row["case"]].append(row["value"])
    cases = defaultdict(list)
    for (cell, seed, _), values in scores.items():
        cases[cell, seed].append(sum(values) / len(values))
    means = defaultdict(dict)
    for (cell, seed), values in cases.items():
        means[cell][seed] = PRINTED.get(cell[-1], (1, 0))[0] * sum(values) / len(values)
    return means


@pytest.fixture
def results(study):
    def uneven(frame):
        """A class that a case lacks, and one that was found where it is not: the order of means matters then."""
        absent = (frame.case == "phantom_001") & (frame["class"] == "vessel")
        spurious = absent & frame.metric.isin(["HD95", "ASD"])
        frame = frame.assign(value=frame.value.mask(absent & ~spurious & (frame.metric == "DSC"), 0.0))
        frame = frame.assign(status=frame.status.mask(spurious, "spurious"), value=frame.value.mask(spurious))
        gone = (frame.case == "phantom_003") & (frame["class"] == "lesion")
        return frame.assign(status=frame.status.mask(gone, "absent"), value=frame.value.mask(gone))

    return study(
        methods=METHODS, seeds=(0, 1, 2), cases=7, cases_per_patient=2, missed=[("ce", 2, "organ")], edit=uneven
    )


@pytest.mark.parametrize("name", MAKERS)
def test_every_number_equals_that_of_plain_loops(results, name):
    expected = recomputed(results.paths.cases)
    frame = MAKERS[name](results, "main").frame
    assert len(frame) == len(METHODS) * frame.metric.nunique()
    for row in frame.to_dict("records"):
        seeds = expected[row["dataset"], row["architecture"], row["method"], row["metric"]]
        assert row["seeds"] == len(seeds) == 3
        assert row["mean"] == pytest.approx(fmean(seeds.values()), rel=1e-12)
        assert row["sd_seeds"] == pytest.approx(stdev(seeds.values()), rel=1e-9)


@pytest.mark.parametrize("name", MAKERS)
def test_every_printed_number_is_one_of_them(results, name):
    """The page says what the frame says: each mean with its spread stands in it, with the printed decimals."""
    page = re.sub(r"[*‡]", "", MAKERS[name](results, "main").markdown)
    cells = {cell.split("[")[0].strip() for line in page.splitlines() for cell in line.split("|")}
    frame = MAKERS[name](results, "main").frame
    for (dataset, architecture, method, metric), seeds in recomputed(results.paths.cases).items():
        if metric in set(frame.metric):
            decimals = PRINTED[metric][1]
            text = f"{fmean(seeds.values()):.{decimals}f} ± {stdev(seeds.values()):.{decimals}f}"
            assert text in cells, (dataset, architecture, method, metric)


def test_another_protocol_is_recomputed_too(results):
    expected = recomputed(results.paths.cases, "boundary")
    for row in table2(results, "main", protocol="boundary").frame.to_dict("records"):
        seeds = expected[row["dataset"], row["architecture"], row["method"], row["metric"]]
        assert row["mean"] == pytest.approx(fmean(seeds.values()), rel=1e-12)
