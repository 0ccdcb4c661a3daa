"""Names of modules of before, which still import: notebooks and other people's code may use them."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

#: old dotted name -> new one, below the package
MOVED = {
    "cells": "jobs.cells",
    "config": "study.config",
    "errors": "base.errors",
    "evaluation": "scoring",
    "evaluation.maps": "jobs.probe",
    "figures": "report.figures",
    "figures._paint": "report.figures.paint",
    "figures.style": "report.style",
    "grid": "study.grid",
    "locks": "base.locks",
    "machine.user_cache": "base.user_cache",
    "notebook": "report.notebook",
    "paths": "study.paths",
    "registry": "base.registry",
    "reporting": "report.steps",
    "results": "report.results",
    "steps": "jobs.steps",
}
_PREFIX = "spectralcal."


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the new module under the old name. Asked only when nothing else has that name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.removeprefix(_PREFIX) not in MOVED or not fullname.startswith(_PREFIX):
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return importlib.import_module(_PREFIX + MOVED[spec.name.removeprefix(_PREFIX)])

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module was executed under its own name."""


def install() -> None:
    """Make the old names importable in this process."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
