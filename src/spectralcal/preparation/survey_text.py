"""The findings of a survey as values for machines and as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from spectralcal.preparation.survey import Survey

#: of a long list of different values, as many are spelt out
SHOWN = 5


def survey_content(survey: Survey) -> dict[str, Any]:
    """A survey as JSON-like values; lengths in the data set's unit, shares between 0 and 1."""
    dataset, cases = survey.dataset, survey.cases
    voxels = {label: [case.voxels.get(label, 0) for case in cases] for label in range(dataset.num_classes)}
    total = sum(map(sum, voxels.values()))
    return {
        "dataset": dataset.name,
        "root": str(survey.root),
        "cases": len(cases),
        "expected_cases": dataset.expected_cases,
        "patients": len({case.patient for case in cases}),
        "channels": list(dataset.channels),
        "unit": dataset.unit,
        "shapes": _counted(case.shape for case in cases),
        "spacings_mm": _counted(tuple(round(value, 3) for value in case.spacing_mm) for case in cases),
        "orientations": _counted(case.orientation for case in cases),
        "labels": [
            {
                "value": label,
                "name": "background" if label == 0 else dataset.classes[label - 1],
                "cases": sum(count > 0 for count in counts),
                "voxels": sum(counts),
                "share": sum(counts) / total if total else 0.0,
            }
            for label, counts in voxels.items()
        ],
        "left_out": [
            {"reason": reason, "files": len(paths), "first": str(paths[0].relative_to(survey.root))}
            for reason, paths in survey.left_out.items()
        ],
        "warnings": list(survey.warnings),
        "errors": list(survey.errors),
    }


def survey_text(content: dict[str, Any]) -> str:
    """The values of :func:`survey_content` as lines."""
    expected = f" (expected {content['expected_cases']})" if content["expected_cases"] else ""
    place = f"of {content['patients']} patients in {content['root']}"
    lines = [f"{content['dataset']}: {content['cases']} cases{expected} {place}"]
    if content["cases"]:
        lines += [
            f"  channels     {', '.join(content['channels'])}",
            f"  shapes       {_range(content['shapes'])}",
            f"  spacings     {_range(content['spacings_mm'])}, in {content['unit']}",
        ]
        turned = ", ".join("{value} in {cases}".format(**one) for one in content["orientations"] if one["value"])
        lines += [f"  orientations {turned}"] if turned else []
        lines += [
            "  label        {value} ({name}) in {cases} cases, {share:.2%} of voxels".format(**label)
            for label in content["labels"]
        ]
    lines += [
        "  left out     {files} files: {reason} ({first}".format(**entry) + (", ...)" if entry["files"] > 1 else ")")
        for entry in content["left_out"]
    ]
    lines += [f"  warning      {text}" for text in content["warnings"]]
    lines += [f"  ERROR        {text}" for text in content["errors"]]
    return "\n".join(lines)


def _counted(values: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"value": value, "cases": count} for value, count in sorted(Counter(values).items())]


def _range(entries: list[dict[str, Any]]) -> str:
    """Few values one by one; many as minimum, median and maximum of each axis."""
    if len(entries) <= SHOWN:
        return ", ".join(f"{_show(one['value'])} in {one['cases']}" for one in entries)
    values = np.repeat([one["value"] for one in entries], [one["cases"] for one in entries], axis=0)
    low, middle, high = (_show(function(values, axis=0)) for function in (np.min, np.median, np.max))
    return f"{len(entries)} different: {low} to {high}, median {middle}"


def _show(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
