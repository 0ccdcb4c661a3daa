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
import pandas as pd
from IPython.display import Markdown, display

from spectralcal.report.notebook import open_study, show

results = open_study()
config = results.config

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

# %% [markdown]
# ## Tables
#
# A lower HD95, ASD, ECE, SCE or TACE is better; a higher DSC is better. Bold and italics are ranks of the printed
# numbers and no more: a double dagger marks a best that the patients tell from the second best, and a caption says
# where the test set is too small for that. The tables' CSV files hold the unrounded numbers and the paired differences.

# %%
for name in config.tables:
    show(results, "tables", name)

# %% [markdown]
# ## Figures
#
# A method keeps its colour and line in all figures. A curve below the diagonal of a reliability diagram is
# over-confident. Panel (d) of training curves shows how hard a loss's added term pulls beside its base term.

# %%
for name in config.figures:
    show(results, "figures", name)

# %% [markdown]
# ## How to read this
#
# One seed and a handful of cases decide nothing: compare differences with the spread over seeds and with the intervals
# over patients. The numbers below "paper" come from other splits and other seeds, so closeness to them makes ours
# plausible and proves nothing.
