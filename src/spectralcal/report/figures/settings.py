"""Several settings of one numeric option: colours in the order of the values, whereas methods have one hue each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spectralcal.report.results import Results
from spectralcal.report.style import Look
from spectralcal.report.sweep import swept_option
from spectralcal.study.methods import method_of

#: number of settings from which they are coloured along a scale
FEWEST = 3
#: a colour map that is ordered in lightness too, up to where it is still dark enough on white
COLORS, LIGHTEST = "plasma", 0.85


@dataclass(frozen=True)
class Settings:
    """Settings of one option of one loss.

    Attributes:
        option: its name; empty if there are no such settings.
        values: value by method, the smallest first.
        phrases: the value in print by method, ``λ = 0.01``.
        loss: printed name of the loss.
        default: the method without options; empty if it is none of them.
    """

    option: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    phrases: Mapping[str, str] = field(default_factory=dict)
    loss: str = ""
    default: str = ""

    def ordered(self, methods: Iterable[str]) -> list[str]:
        """Other methods as they were, then the settings by value."""
        given = list(methods)
        return [name for name in given if name not in self.values] + [name for name in self.values if name in given]

    def looks(self) -> dict[str, Look]:
        """The larger the value, the darker the colour; lines are solid, dashes are free for the panel's own use."""
        import matplotlib as mpl
        from matplotlib.colors import to_hex

        last = max(len(self.values) - 1, 1)
        return {
            method: Look(to_hex(mpl.colormaps[COLORS](LIGHTEST * (1 - index / last))), "o", "-", 1.2, 3)
            for index, method in enumerate(self.values)
        }

    def names(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Labels that say the value, that of the default too: ``Spectral, λ = 0.01 (default)``."""
        return {
            method: f"{self.loss}, {self._value(method)}" if method in self.values else label
            for method, label in labels.items()
        }

    def legend(self, names: Mapping[str, str]) -> dict[str, str]:
        """Names for a legend: the values alone if there is nothing else, so that they stand in one line, in order."""
        if set(names) - set(self.values):
            return dict(names)
        return {method: self._value(method) for method in names}

    def _value(self, method: str) -> str:
        return self.phrases[method] + " (default)" * (method == self.default)


def numeric_settings(results: Results, experiment: str) -> Settings:
    """The settings that an experiment compares; none unless they are of one numeric option and at least three."""
    option, values = swept_option(results, experiment)
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values.values())
    if not numeric or len(values) < FEWEST:
        return Settings()
    default = next((name for name in values if not method_of(results.config, name).options), "")
    values = dict(sorted(values.items(), key=lambda item: item[1]))
    phrases = {name: results.phrase(name, option, value) for name, value in values.items()}
    return Settings(option, values, phrases, results.loss_label(next(iter(values))), default)
