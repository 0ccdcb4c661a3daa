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
# # What the spectral term measures
#
# The idea under test: overconfident networks give confidence maps that are too smooth; so add to cross-entropy a
# penalty on maps whose power sits in few frequency bands. This notebook follows the idea from the map to the loss, with
# small computations beside each formula, and shows what trained networks did with it (Figures 1, 3 and 8).

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

from spectralcal.report.notebook import open_study, show_made_by
from spectralcal.spectral import band_power, confidence_map, high_pass, spectral_entropy

results = open_study()
torch.set_num_threads(1)

# %% [markdown]
# ## From logits to bands
#
# A **confidence map** *M* is one number a voxel, made from the logits *z*<sub>c</sub>. The paper takes the largest
# logit (its Eq. 1); others are the largest probability, its logarithm, and the margin between the two largest logits.
#
# Its discrete Fourier transform *F* is summed over *K* **shells** of equal width in the distance *r* from the zero
# frequency, up to the largest sphere that fits into the spectrum:
#
# > *S*<sub>k</sub> = Σ |*F*(*u*)|² over all *u* with *r*<sub>k−1</sub> < *r*(*u*) ≤ *r*<sub>k</sub>,
# > with *r*<sub>k</sub> = (*k* / *K*) · min(*D*, *H*, *W*) / 2
#
# As printed, Eq. 4 lacks the division by *K*; then all of the spectrum would lie in the first two shells and *K* would
# hardly matter. The zero frequency is left out. Parseval's theorem holds for shells that cover the whole spectrum:
# their sum is the map's power.

# %%
rng = np.random.default_rng(0)
field = torch.from_numpy(rng.standard_normal((1, 24, 24, 24)))
whole = band_power(field, bands=5, edges="corner", include_dc=True).sum()
ratio = float(whole / (field.numel() * field.square().sum()))
print(f"sum over all shells / (number of voxels * sum of squares) = {ratio:.12f}")
inside = band_power(field, bands=5, include_dc=True).sum()
print(
    f"the inscribed shells hold {float(inside / whole):.1%} of white noise's power; the corners of the cube are dropped"
)

# %% [markdown]
# The **spectral entropy** of the shares *p*<sub>k</sub> = *S*<sub>k</sub> / Σ<sub>j</sub> *S*<sub>j</sub> is
#
# > *H* = −Σ<sub>k</sub> *p*<sub>k</sub> log *p*<sub>k</sub>, between 0 and log *K*.
#
# For each sample the term is a squared hinge, max(0, *H*\* − *H*)², where the target *H*\* is the entropy of the band
# powers pooled over the last *W* batches. It is therefore at most (log *K*)², 2.59 at *K* = 5, and the paper multiplies
# it by λ = 0.01.
#
# ## High entropy is not low confidence
#
# A ball with logits ± *a* tanh(*d* / *e*): *d* is the distance to its surface, *e* the width of the edge. The sharper
# and thus the *more* certain the map, the *higher* is the spectral entropy of its logits, because edges are what fills
# the high bands. That of the largest probability rises and falls.

# %%
side = 48
axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
distance = side / 4 - torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).square().sum(0).sqrt()
rows = []
for edge in (0.5, 1.0, 2.0, 4.0, 8.0):
    ball = 5 * torch.tanh(distance / edge)
    logits = torch.stack([-ball, ball])[None]
    row = {"edge (voxels)": edge, "mean confidence": float(confidence_map(logits, "max_prob").mean())}
    for kind in ("max_logit", "max_prob", "margin"):
        row[f"entropy, {kind}"] = float(spectral_entropy(band_power(confidence_map(logits, kind))))
    rows.append(row)
display(pd.DataFrame(rows).round(3).style.hide(axis="index").format(precision=3))

# %% [markdown]
# So a rise of the entropy by itself says nothing about calibration; it must be measured.
#
# ## A boundary that grows uncertain (Figure 1)
#
# The paper's first figure lowers the confidence of a ring along the boundary of a disc and finds more power at high
# frequencies. Whether that is so depends on what the map holds outside the disc: the confidence of the predicted class
# (1 in the background too) or the probability of the foreground (0 there).

# %%
show_made_by(results, "figures", "figure1")

# %% [markdown]
# ## What the softmax does not see
#
# Adding a field to the logits of all classes alike changes the largest logit and no probability. The paper's map can
# therefore reach any entropy between its own and the largest with every prediction, Dice and calibration error
# unchanged. A network that is paid for entropy may take this way; maps of probabilities or margins close it.

# %%
show_made_by(results, "figures", "null_space")

# %% [markdown]
# ## Spectra of trained networks (Figure 3)
#
# If the term changes what the network believes, the spectra of *all* maps move against those of cross-entropy. If only
# the largest logit's moves, the way through the null space was taken.

# %%
show_made_by(results, "figures", "figure3")

# %%
rows = []
for experiment in results.config.experiments:
    for cell in results.cells(experiment):
        spectra = results.spectra(cell)
        if spectra is not None:
            kinds = ("max_logit", "max_log_prob", "max_prob", "margin")
            means = {f"entropy, {kind}": float(np.mean(spectra[f"entropy_{kind}"])) for kind in kinds}
            rows.append(
                {"data set": cell.dataset, "architecture": cell.architecture, "method": results.label(cell.method)}
                | means
            )
entropies = pd.DataFrame(rows)
if len(entropies):
    means = entropies.groupby(["data set", "architecture", "method"], sort=False).mean()
    display(means.style.format(precision=3))
    bands = results.config.evaluation.spectral_bands
    display(
        Markdown(f"Means over test cases and seeds; the largest possible value is log {bands} = {np.log(bands):.3f}.")
    )

# %% [markdown]
# ## Did the penalty pull?
#
# The norm of each term's gradient at the logits, beside that of cross-entropy: panel (d).

# %%
show_made_by(results, "figures", "training_curves")

# %% [markdown]
# ## Where the high frequencies are (Figure 8)
#
# High-pass filtering keeps the part of the map above a cutoff; its square is large along edges. The figure asks whether
# cross-entropy's high-frequency spots are where the spectral term lowers confidence, and compares with voxels at the
# same distance to the boundary, since both quantities are large there for any pair of networks.

# %%
parts = high_pass(field, cutoff=0.3)
print(
    f"of white noise, {float(parts.square().sum() / field.square().sum()):.1%} of the power lies above 0.3 cycles/voxel"
)
show_made_by(results, "figures", "figure8")

# %% [markdown]
# ## How to read this
#
# The computations above are exact and hold for any network. What trained networks did is a measurement on the cases of
# this study: the captions say how many, and one seed cannot show the spread between trainings.
