"""Writing the ledger of a study."""

from __future__ import annotations

from spectralcal.claims._finding import VERDICTS
from spectralcal.claims._page import page
from spectralcal.claims.ledger import ledger, table
from spectralcal.config import StudyConfig
from spectralcal.console import say
from spectralcal.errors import ConfigError
from spectralcal.paths import StudyPaths
from spectralcal.results import Results
from spectralcal.whole_files import write_text


def claims_step(config: StudyConfig) -> None:
    """Write the ledger of a study as CSV (tidy) and Markdown (as read).

    Raises:
        ConfigError: the configuration does not say which experiments play which role.
        ResultError: a result file is missing or damaged.
    """
    if config.claims is None:
        raise ConfigError(
            f"claims: the study '{config.study}' does not say which experiments the claims read; add `claims: "
            "{main: <experiment>}`"
        )
    results = Results(config)
    entries = ledger(results)
    path = StudyPaths(config).claims
    write_text(path, table(entries).to_csv(index=False))
    write_text(path.with_suffix(".md"), page(entries, results))
    counts = ", ".join(f"{sum(entry.verdict == verdict for entry in entries)} {verdict}" for verdict in VERDICTS)
    say(f"{len(entries)} claims ({counts}): {path}")
