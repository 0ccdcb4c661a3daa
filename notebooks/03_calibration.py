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
# # Calibration, and which one
#
# A network is calibrated if, among voxels to which it gives a class with probability *p*, a share *p* has that class.
# Every published number needs more words than that: which voxels, which bins, which classes, averaged how. This
# notebook shows what each choice does to the same predictions, then what methods did.

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from spectralcal.metrics import PROTOCOLS, CalibrationHistogram
from spectralcal.report.notebook import open_study, show_made_by
from spectralcal.study.methods import parse_method

results = open_study()

# %% [markdown]
# ## Definitions
#
# With bins *b* of equal width over [0, 1], *n*<sub>b</sub> of *n* voxels each, mean confidence *p*<sub>b</sub> and
# accuracy *a*<sub>b</sub>:
#
# * **ECE** = Σ<sub>b</sub> (*n*<sub>b</sub> / *n*) · |*p*<sub>b</sub> − *a*<sub>b</sub>| for the predicted class;
# * **SCE**: the same for each class's own probability, mean over classes;
# * **TACE**: for each class the probabilities above a threshold, in bins of equal *count*, mean over bins and classes.
#
# Most voxels of a medical image are background that no network doubts. They have an error near zero and pull every mean
# over all voxels towards it. The example makes a sure and right background around a region in which the network is ten
# points too confident:

# %%
rng = np.random.default_rng(0)
rows = []
for background in (0, 10_000, 90_000, 990_000):
    inside = rng.random(10_000) < 0.8  # right with probability 0.8, said 0.9
    probabilities = np.concatenate([np.full(10_000, 0.9), np.full(background, 0.001)])
    labels = np.concatenate([inside, np.zeros(background, bool)]).astype(np.int64)
    histogram = CalibrationHistogram(2)
    histogram.update(np.stack([1 - probabilities, probabilities])[None], labels[None])
    rows.append(
        {"background voxels": background, "ECE": histogram.ece(), "SCE": histogram.sce(), "TACE": histogram.tace()}
    )
display(pd.DataFrame(rows).style.hide(axis="index").format(dict.fromkeys(("ECE", "SCE", "TACE"), "{:.4f}")))

# %% [markdown]
# ## Named protocols
#
# Every cell is scored under all of them; a table says which one it shows.

# %%
display(
    pd.DataFrame(
        [
            {
                "protocol": name,
                "voxels": protocol.region,
                "unit": protocol.aggregation,
                "bins": protocol.bins,
                "TACE": f"{protocol.tace}, > {protocol.threshold:g}",
                "source": protocol.source,
            }
            for name, protocol in PROTOCOLS.items()
        ]
    ).style.hide(axis="index")
)
show_made_by(results, "tables", "protocols")

# %% [markdown]
# ## Reliability
#
# Confidence against accuracy; below the diagonal is over-confident.

# %%
show_made_by(results, "figures", "reliability")

# %% [markdown]
# ## Near the boundary and far from it

# %%
show_made_by(results, "figures", "boundary_distance")

# %% [markdown]
# ## After the training: temperature scaling
#
# One number, the temperature that minimises the negative log-likelihood on the validation cases, divides all logits. It
# costs seconds, changes no predicted class and therefore no Dice, and is the yardstick for every loss that promises
# better calibration. The fitted temperatures (above 1: the network was too sure on the validation cases):

# %%
rows = []
for cell in dict.fromkeys(cell for name in results.config.experiments for cell in results.cells(name)):
    step = parse_method(cell.method, results.config.methods).post_hoc
    fitted = results.evaluation(cell) if step else None
    if fitted and "post_hoc" in fitted:
        values = ", ".join(f"{key} {np.round(value, 3)}" for key, value in fitted["post_hoc"][step].items())
        rows.append(
            {"data set": cell.dataset, "method": results.label(cell.method), "seed": cell.seed, "fitted": values}
        )
display(pd.DataFrame(rows).style.hide(axis="index") if rows else Markdown("No cell of this study has a post-hoc step."))


# %%
keys = ["dataset", "architecture", "method", "seed", "case", "class", "metric", "protocol"]
scores = pd.concat([results.scores(name) for name in results.config.experiments]).drop_duplicates(keys)
scores = scores[(scores.metric == "ECE") | ((scores.metric == "NLL") & (scores.protocol == "paper"))]
bare = {method: method.partition("+")[0] for method in scores.method.unique()}
compared = {loss for method, loss in bare.items() if method != loss}
scores = scores[scores.method.map(bare).isin(compared)]
if len(scores):
    keys = ["dataset", "method", "metric", "protocol"]
    means = scores.groupby([*keys, "seed"], sort=False).value.mean().groupby(keys, sort=False).mean()
    display(means.unstack(["metric", "protocol"]).rename(index=results.label, level=1).style.format(precision=4))
    display(Markdown("Means over cases, then over seeds, of each loss with and without its post-hoc steps."))

# %% [markdown]
# ## Accuracy against calibration

# %%
show_made_by(results, "figures", "pareto")

# %% [markdown]
# ## Where the truth is known
#
# The phantom's labels are drawn from a known posterior, so the error of the *probabilities* can be measured without any
# bins. The figure compares what ECE estimates from labels with what is true.

# %%
show_made_by(results, "figures", "true_calibration")

# %% [markdown]
# ## How to read this
#
# Compare methods under one protocol, never numbers across protocols. A difference below the interval over patients, or
# below the spread over seeds, is none.
