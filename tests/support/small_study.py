"""A study on disk with results that look real and can be recomputed: no training, no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from small_hotspots import hotspots

from spectralcal.metrics import CalibrationHistogram
from spectralcal.report.results import COLUMNS, Results
from spectralcal.study.config import StudyConfig, parse_config
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.methods import loss_options
from spectralcal.study.paths import StudyPaths

CLASSES = ("organ", "lesion", "vessel")
REGIONS = ("all", "reference", "union", "boundary")
#: regions and protocols of cells that are scored in what the prediction chooses
PREDICTED = ("predicted_foreground", "predicted_boundary")
#: temperature of the probabilities by loss: above 1 is over-confident
TEMPERATURE = {"ce": 2.2, "focal": 0.6, "ls": 0.75, "mbls": 1.35, "svls": 1.2, "crac": 1.1, "spectral": 1.02}
CALIBRATION = {"ECE": 0.02, "SCE": 0.012, "TACE": 0.03}
PROPER = {"Brier": 0.1, "NLL": 0.2, "signed_gap": 0.02}
PROTOCOLS = ("paper", "crac-legacy", "boundary", "union")
#: protocols of the cells' scores, in the order of tables
SCORED = ("paper", "crac-legacy", "nixon", "union", "boundary")
POOLED = "nixon"
#: histograms of cells that were counted before in this process, by what they depend on
_COUNTED: dict[tuple, dict[str, np.ndarray]] = {}


@dataclass
class Study:
    """A study under a temporary folder.

    Attributes:
        methods, seeds, cases, architectures: the grid of the experiment "main".
        cases_per_patient: every case is a patient of its own by default.
        further: other experiments by name, with their methods.
        missing: cells (method, seed) without any file.
        missed: structures that a method did not find: (method, case index, class).
        predicted: cells are scored in the regions that the prediction chooses, and against the posterior by bins.
        truth: write the true calibration error, as for a phantom.
        only_scores: write no histograms, spectra, histories and maps.
        edit: a last change of the table of scores.
    """

    root: Path
    methods: Sequence[str] = ("ce", "spectral")
    seeds: Sequence[int] = (0, 1)
    cases: int = 5
    architectures: Sequence[str] = ("unet",)
    cases_per_patient: int = 1
    further: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missing: Sequence[tuple[str, int]] = ()
    missed: Sequence[tuple[str, int, str]] = ()
    predicted: bool = False
    truth: bool = True
    only_scores: bool = False
    shape: tuple[int, int, int] = (14, 14, 14)
    edit: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
    config: StudyConfig = field(init=False)

    def write(self) -> Results:
        """Write every file and return the reader."""
        self.config = parse_config(
            {
                "study": "small",
                "paper": "spectral_entropy",
                "results_root": str(self.root / "results"),
                "figures_root": str(self.root / "figures"),
                "prepared_root": str(self.root / "prepared"),
                "datasets": {"phantom": {"options": {"cases": self.cases}}},
                "architectures": {name: {} for name in self.architectures},
                "experiments": {
                    name: {
                        "datasets": ["phantom"],
                        "architectures": list(self.architectures),
                        "methods": list(methods),
                        "seeds": list(self.seeds),
                    }
                    for name, methods in {"main": self.methods, **self.further}.items()
                },
            },
            "the test",
        )
        paths = StudyPaths(self.config)
        cells = [c for c in study_cells(self.config) if (c.method, c.seed) not in set(self.missing)]
        volumes = [] if self.only_scores else self._volumes()
        rows: list[dict] = []
        for cell in cells:
            files = paths.cell(cell)
            files.folder.mkdir(parents=True)
            rows += self._scores(cell)
            if self.only_scores:
                continue
            np.savez(files.calibration, **self._calibration(cell, volumes))
            np.savez(files.spectra, **self._spectra(cell))
            self._history(cell).to_csv(files.history, index=False)
        frame = self.edit(pd.DataFrame(rows, columns=list(COLUMNS)))
        paths.cases.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(paths.cases, index=False)
        for architecture in self.architectures:
            for seed in self.seeds:
                names = [c.method for c in cells if (c.architecture, c.seed) == (architecture, seed)]
                path = paths.probe("maps", "phantom", architecture, seed)
                path.parent.mkdir(parents=True, exist_ok=True)
                if names and not self.only_scores:
                    np.savez(path, **self._maps(names, seed, volumes))
                    path = paths.probe("hotspots", "phantom", architecture, seed)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    np.savez(path, **self._hotspots(names, seed, volumes))
        paths.resolved_config.write_text(json.dumps(self.config.model_dump(mode="json")))
        return Results(self.config)

    @property
    def _protocols(self) -> tuple[str, ...]:
        return (*PROTOCOLS, *(PREDICTED if self.predicted else ()))

    @property
    def names(self) -> list[str]:
        """Names of the test cases."""
        return [f"phantom_{index:03d}" for index in range(self.cases)]

    def _volumes(self):
        return _phantom(self.cases, self.shape)

    def _probabilities(self, cell: Cell, index: int, volume) -> np.ndarray:
        random = _random(cell, index)
        logits = np.log(volume.posterior.astype(np.float64) + 1e-4) + 0.35 * random.standard_normal(
            volume.posterior.shape
        )
        logits *= TEMPERATURE.get(cell.method.partition("@")[0], 1.5)
        shares = np.exp(logits - logits.max(0))
        return (shares / shares.sum(0)).astype(np.float32)

    def _scores(self, cell: Cell) -> list[dict]:
        rows = []
        for index, case in enumerate(self.names):
            random = _random(cell, index)
            one = {"dataset": cell.dataset, "architecture": cell.architecture, "method": cell.method, "seed": cell.seed,
                   "case": case, "patient": f"patient_{index // self.cases_per_patient:03d}"}  # fmt: skip
            for name in CLASSES:
                missed = (cell.method, index, name) in set(self.missed)
                values = {
                    "DSC": 0.0 if missed else random.uniform(0.7, 0.95),
                    "HD95": 55.4 if missed else random.uniform(1, 6),
                    "ASD": 55.4 if missed else random.uniform(0.1, 1),
                }
                status = "missed" if missed else "ok"
                rows += [
                    {**one, "class": name, "metric": metric, "protocol": "paper", "value": value, "status": status}
                    for metric, value in values.items()
                ]
            worse = TEMPERATURE.get(cell.method, 1.5)
            for protocol in self._protocols:
                rows += [
                    {**one, "class": "all", "metric": metric, "protocol": protocol, "status": "ok",
                     "value": base * worse * random.uniform(0.6, 1.4)}
                    for metric, base in CALIBRATION.items()
                ]  # fmt: skip
            if self.truth:
                names = ("distance_to_posterior", *(("true_ECE", "true_SCE") if self.predicted else ()))
                rows += [
                    {**one, "class": "all", "metric": name, "protocol": "truth", "status": "ok",
                     "value": 0.03 * worse * random.uniform(0.7, 1.3)}
                    for name in names
                ]  # fmt: skip
        pool, random = {**one, "case": "pooled", "patient": "pooled"}, _random(cell, 98)
        rows += [
            {**pool, "class": "all", "metric": metric, "protocol": POOLED, "status": "ok",
             "value": base * TEMPERATURE.get(cell.method, 1.5) * random.uniform(0.6, 1.4)}
            for metric, base in CALIBRATION.items()
        ]  # fmt: skip
        return rows + self._proper_scores(cell)

    def _proper_scores(self, cell: Cell) -> list[dict]:
        """Proper scores of every case and of the pool, with numbers of their own: the others do not move."""
        rows = []
        for index, case in enumerate([*self.names, "pooled"]):
            random, pooled = _random(cell, 200 + index), case == "pooled"
            rows += [
                {**vars(cell), "case": case, "class": "all", "metric": metric, "protocol": protocol, "status": "ok",
                 "patient": case if pooled else f"patient_{index // self.cases_per_patient:03d}",
                 "value": base * TEMPERATURE.get(cell.method, 1.5) * random.uniform(0.6, 1.4)}
                for protocol in ([POOLED] if pooled else self._protocols)
                for metric, base in PROPER.items()
            ]  # fmt: skip
        return rows

    def _calibration(self, cell: Cell, volumes) -> dict[str, np.ndarray]:
        """Histograms go by the cell and the phantom alone: many tests write the same ones."""
        key = (cell, self.cases, self.shape, self.predicted)
        if key not in _COUNTED:
            _COUNTED[key] = self._counted(cell, volumes)
        return _COUNTED[key]

    def _counted(self, cell: Cell, volumes) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {"cases": np.array(self.names)}
        for region in (*REGIONS, *(PREDICTED if self.predicted else ())):
            histograms = []
            for index, volume in enumerate(volumes):
                probabilities = self._probabilities(cell, index, volume)
                chosen = volume.label if region in REGIONS else probabilities.argmax(0)
                mask = None if region == "all" else chosen > 0
                histograms.append(CalibrationHistogram(len(CLASSES) + 1).update(probabilities, volume.label, mask))
            rows = [[h.reliability(label) for label in (None, *range(h.num_classes))] for h in histograms]
            for key in ("count", "confidence", "accuracy"):
                arrays[f"{region}/cases/{key}"] = np.array([[getattr(d, key) for d in case] for case in rows])
            pooled = CalibrationHistogram(len(CLASSES) + 1)
            for histogram in histograms:
                pooled.merge(histogram)
            arrays |= {f"{region}/pooled/{key}": value for key, value in pooled.arrays().items()}
        arrays |= self._distance(cell, volumes, "distance")
        return arrays | (self._distance(cell, volumes, "predicted_distance") if self.predicted else {})

    def _distance(self, cell: Cell, volumes, prefix: str) -> dict[str, np.ndarray]:
        from spectralcal.metrics import distance_bands as distance

        found = []
        for index, volume in enumerate(volumes):
            probabilities = self._probabilities(cell, index, volume)
            labels = volume.label if prefix == "distance" else probabilities.argmax(0)
            near = distance.boundary_distance(labels, volume.spacing_mm)
            bands = distance.signed_bands(labels, near)
            found.append(distance.band_sums(probabilities, probabilities.argmax(0), volume.label, bands))
        arrays = {f"{prefix}/{key}": np.stack([entry[key] for entry in found]) for key in found[0]}
        return {**arrays, f"{prefix}/edges_mm": distance.band_edges()}

    def _hotspots(self, methods: Sequence[str], seed: int, volumes) -> dict[str, np.ndarray]:
        trained = [name for name in dict.fromkeys(m.partition("+")[0] for m in methods) if name != "ce"]
        others = trained + (["ce"] if "ce" in methods and len(self.seeds) > 1 else [])
        return hotspots(others if "ce" in methods and trained else [], self.names, volumes[0], seed)

    def _spectra(self, cell: Cell) -> dict[str, np.ndarray]:
        frequency = (np.arange(24) + 0.5) / 48
        gain = TEMPERATURE.get(cell.method.partition("@")[0], 1.5)
        arrays: dict[str, np.ndarray] = {"cases": np.array(self.names), "frequency": frequency.astype(np.float32)}
        arrays["spacing_mm"] = np.full((self.cases, 3), 2.0)
        for order, kind in enumerate(("max_logit", "max_log_prob", "max_prob", "margin")):
            level = gain**2 * 10.0 ** (2 - order) * frequency ** -(2.6 + 0.2 * gain)
            noise = [np.exp(0.25 * _random(cell, i).standard_normal(24) + 0.3 * i) for i in range(self.cases)]
            arrays[f"psd_{kind}"] = level * np.array(noise)
            arrays[f"band_power_{kind}"] = np.ones((self.cases, 5))
            arrays[f"entropy_{kind}"] = np.ones(self.cases)
        return arrays

    def _history(self, cell: Cell) -> pd.DataFrame:
        random = _random(cell, 99)
        step = np.arange(0, 400, 5)
        noise = random.standard_normal((4, step.size))
        base = 0.1 + 1.2 * np.exp(-step / 60) * np.exp(0.15 * noise[0])
        loss = cell.method.partition("@")[0]
        rows = {"step": step, "learning_rate": 0.01 * (1 - step / 400) ** 0.9, "loss": base}
        if loss == "spectral":
            target = 0.9 + 0.3 * (1 - np.exp(-step / 80)) + 0.01 * noise[1]
            weight = loss_options(self.config, cell.method)["weight"]
            rows |= {"loss_ce": base, "loss_spectral": 0.01 * weight * np.exp(0.5 * noise[2]), "target_entropy": target,
                     "sample_entropy": target - 0.1 + 0.05 * noise[3], "gradient_ce": 0.01 * np.exp(0.2 * noise[1]),
                     "gradient_spectral": 0.01 * weight * np.exp(0.3 * noise[2])}  # fmt: skip
        else:
            rows |= {f"loss_{loss}": base, f"gradient_{loss}": 0.01 * np.exp(0.2 * noise[1])}
        return pd.DataFrame({**rows, "gradient_norm": 1.0, "seconds": step * 0.1})

    def _maps(self, methods: Sequence[str], seed: int, volumes) -> dict[str, np.ndarray]:
        volume = volumes[0]
        found = [self._probabilities(Cell("phantom", "unet", method, seed), 0, volume) for method in methods]
        return {
            "case": np.array(self.names[0]),
            "rule": np.array("the test case with the median Dice of ce"),
            "spacing_mm": np.array(volume.spacing_mm, dtype=np.float64),
            "image": volume.image[0],
            "reference": volume.label,
            "methods": np.array(list(methods)),
            "prediction": np.stack([p.argmax(0).astype(np.uint8) for p in found]),
            "confidence": np.stack([p.max(0) for p in found]),
        }


@cache
def _phantom(cases: int, shape: tuple[int, ...]) -> list:
    from spectralcal.datasets.phantom import Phantom

    phantom = Phantom(cases=cases, shape=shape, anisotropic_share=0.0)
    return [phantom.load(case) for case in phantom.cases(Path())]


def _random(cell: Cell, index: int) -> np.random.Generator:
    text = f"{cell.architecture}/{cell.method}/{cell.seed}"
    return np.random.default_rng([*text.encode(), index])
