# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One study at a glance
#
# Every table and figure of a study, made again from its collected scores. Nothing is trained or predicted here: the
# notebook reads the result files and calls the same functions as `spectralcal table` and `spectralcal figure`.
#
# The environment variable `SPECTRALCAL_CONFIG` names the study (the path of its resolved `config.json`); without it the
# demo study is read.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display

from spectralcal import registry
from spectralcal.config import load_config
from spectralcal.errors import SpectralcalError
from spectralcal.figures.style import use_style
from spectralcal.results import Results

path = Path(os.environ.get("SPECTRALCAL_CONFIG", "results/demo/config.json"))
if not path.exists() and Path.cwd().name == "notebooks":
    os.chdir("..")  # paths in a configuration are seen from the root of the repository
config = load_config(path)
results = Results(config)
use_style()
plt.rcParams["figure.dpi"] = 130

# %% [markdown]
# ## What was run

# %%
display(Markdown(f"**Study `{config.study}`.** {config.description}"))
display(
    pd.DataFrame(
        {
            "question": {name: grid.description for name, grid in config.experiments.items()},
            "data sets": {name: ", ".join(grid.datasets) for name, grid in config.experiments.items()},
            "architectures": {name: ", ".join(grid.architectures) for name, grid in config.experiments.items()},
            "methods": {
                name: ", ".join(map(results.label, results.methods(name))) for name, grid in config.experiments.items()
            },
            "seeds": {name: ", ".join(map(str, grid.seeds)) for name, grid in config.experiments.items()},
        }
    )
)

# %% [markdown]
# ## What is missing
#
# Cells without scores stay visible as holes in every table and figure below.

# %%
holes = {name: results.missing(name) for name in config.experiments}
for name, cells in holes.items():
    expected = len(results.cells(name))
    lines = "".join(f"\n- {cell}" for cell in cells)
    display(Markdown(f"`{name}`: {expected - len(cells)} of {expected} cells have scores.{lines}"))


# %%
def show(kind: str, name: str) -> None:
    """Make one output and show it; a problem of one does not hide the others."""
    output = getattr(config, kind)[name]
    source = output.source or name
    try:
        made = registry.load(kind, source)(results, output.experiment, **output.options)
    except SpectralcalError as error:
        display(Markdown(f"`{name}` cannot be made: {error}"))
        return
    if kind == "tables":
        display(Markdown(made.markdown.replace("# ", "### ", 1)))
        return
    title = registry.constant("figures", source, "TITLE")
    display(Markdown(f"### {title}"))
    display(made.drawing, metadata={"image/png": {"alt": title}})
    plt.close(made.drawing)
    display(Markdown(made.caption))


# %% [markdown]
# ## Tables
#
# A lower HD95, ASD, ECE, SCE or TACE is better; a higher DSC is better. Bold and italics are ranks of the printed
# numbers and no more: a double dagger marks a best that the patients tell from the second best, and a caption says
# where the test set is too small for that. The tables' CSV files hold the unrounded numbers and the paired differences.

# %%
for name in config.tables:
    show("tables", name)

# %% [markdown]
# ## Figures
#
# A method keeps its colour and line in all figures. A curve below the diagonal of a reliability diagram is
# over-confident. Panel (d) of training curves shows how hard a loss's added term pulls beside its base term.

# %%
for name in config.figures:
    show("figures", name)

# %% [markdown]
# ## How to read this
#
# One seed and a handful of cases decide nothing: compare differences with the spread over seeds and with the intervals
# over patients. The numbers below "paper" come from other splits and other seeds, so closeness to them makes ours
# plausible and proves nothing.
