"""Tables, figures and the claims ledger: what is made of which experiment."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from spectralcal.study.config.section import Section


class OutputConfig(Section):
    """A table or figure: which registered file draws it, and from which experiment."""

    source: str | None = Field(None, description="Name of the file in tables/ or figures/; null: the same name.")
    experiment: str = Field(description="Name under `experiments`.")
    options: dict[str, Any] = Field({}, description="Keyword options of the table or figure.")


class ClaimsConfig(Section):
    """Experiments behind the claims ledger: role -> name under `experiments`; null: what needs it is not measured."""

    main: str | None = Field(None, description="Compares the seven training losses.")
    ablation: str | None = Field(None, description="Cross-entropy, spectral@window=1, spectral.")
    weight: str | None = Field(None, description="Varies the weight of the spectral loss.")
    window: str | None = Field(None, description="Varies its window.")
    bands: str | None = Field(None, description="Varies its number of bands.")
    confidence: str | None = Field(None, description="Varies the map that it is computed on.")
    history: str | None = Field(None, description="Varies history_init, how its window starts.")
    architectures: str | None = Field(None, description="Cross-entropy and the spectral loss on several architectures.")
    post_hoc: str | None = Field(None, description="Has ce+temperature and the spectral loss.")
    tuned: str | None = Field(None, description="Baselines with several values of their own options.")
