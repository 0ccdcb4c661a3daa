"""Writing the ledger of a study."""

from __future__ import annotations

from spectralcal.base.console import say
from spectralcal.base.errors import ConfigError
from spectralcal.base.files import write_text
from spectralcal.report.claims.finding import VERDICTS
from spectralcal.report.claims.ledger import ledger, table
from spectralcal.report.claims.page import counted, page
from spectralcal.report.results import Results
from spectralcal.study.config import StudyConfig
from spectralcal.study.paths import StudyPaths


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
    counts = ", ".join(counted(entries, verdict) for verdict in VERDICTS)
    say(f"{len(entries)} claims ({counts}): {path}")
