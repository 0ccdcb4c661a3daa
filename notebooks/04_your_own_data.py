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
# # The losses and metrics in your own project
#
# Nothing here needs this project's workflow: a loss is a `torch.nn.Module`, a metric takes arrays. The notebook
#
# 1. trains a small network with the spectral loss in a plain PyTorch loop,
# 2. does the same with MONAI's pieces and deep supervision,
# 3. scores predictions: overlap and distances in millimetres, calibration under four named protocols,
# 4. shows how a folder of your own images becomes a data set of a study.
#
# The images are phantoms, made here. Fifty steps prove nothing about the loss; they show how it is called.

# %%
import numpy as np
import torch
from IPython.display import Markdown, display

from spectralcal.datasets.phantom import Phantom
from spectralcal.report.style import use_style

use_style()
torch.manual_seed(0)
torch.set_num_threads(1)
phantom = Phantom(cases=6, shape=(32, 32, 32), anisotropic_share=0.0)
volumes = [phantom.load(case) for case in phantom.cases(".")]
images = torch.stack([torch.from_numpy(volume.image) for volume in volumes])
labels = torch.stack([torch.from_numpy(volume.label.astype(np.int64)) for volume in volumes])
CLASSES = ["background", *phantom.classes]
print(f"images {tuple(images.shape)}, labels {tuple(labels.shape)}, classes {CLASSES}")

# %% [markdown]
# ## A plain PyTorch loop
#
# `SpectralEntropyCELoss(weight=0.01, bands=5, window=50)` is cross-entropy plus the paper's penalty. Logits are
# (B, C, *spatial*), labels (B, *spatial*) integers. Two things to know:
#
# * **It has state.** The target of the penalty is pooled from the last `window` batches. The history is in
#   `state_dict()`, so save the loss with the network, and call `loss.train()` / `loss.eval()` as for a network: in
#   evaluation mode the history stands still.
# * **It is computed in float32** whatever the autocast; the network may run in bfloat16.

# %%
from spectralcal.losses import SpectralEntropyCELoss
from spectralcal.models import build_model

network = build_model("unet", in_channels=1, num_classes=len(CLASSES), channels=(8, 16, 32))
loss = SpectralEntropyCELoss(weight=0.01, bands=5, window=50)
optimizer = torch.optim.AdamW([*network.parameters(), *loss.parameters()], lr=5e-3)

network.train()
loss.train()
for step in range(49):
    index = [step % 4, (step + 1) % 4]  # the last two volumes are kept for scoring
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images[index])
    terms = loss.terms(logits, labels[index])  # loss(logits, labels) is their sum
    optimizer.zero_grad()
    sum(terms.values()).backward()
    optimizer.step()
    if step % 12 == 0:
        print(f"step {step:2d}:", {name: round(float(term.detach()), 5) for name, term in terms.items()})
state = {"network": network.state_dict(), "loss": loss.state_dict()}

# %% [markdown]
# Look at the terms before you believe in the penalty: at the paper's weight it is a fraction of a per cent of the
# cross-entropy. `confidence="max_prob"` or `"margin"` penalise a map that cannot be changed without changing a
# probability; the paper's `"max_logit"` can ([02_spectral_analysis](02_spectral_analysis.html)).
#
# ## MONAI, with deep supervision
#
# MONAI's `DeepSupervisionLoss` calls the loss for each head; the history keeps apart what has different sizes.

# %%
from monai.losses import DeepSupervisionLoss
from monai.networks.nets import DynUNet

torch.manual_seed(0)
dynunet = DynUNet(
    spatial_dims=3, in_channels=1, out_channels=len(CLASSES), kernel_size=[3, 3, 3], strides=[1, 2, 2],
    upsample_kernel_size=[2, 2], filters=[8, 16, 32], deep_supervision=True, deep_supr_num=1,
)  # fmt: skip
supervised = DeepSupervisionLoss(SpectralEntropyCELoss(weight=0.01))
optimizer = torch.optim.SGD(dynunet.parameters(), lr=0.01, momentum=0.9)
dynunet.train()
for step in range(6):
    heads = torch.unbind(dynunet(images[:2]), dim=1)
    value = supervised(list(heads), labels[:2, None])
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    print(f"step {step}: loss {float(value.detach()):.4f}")

# %% [markdown]
# ## Score predictions
#
# Metrics take arrays, from any network. Distances are in the unit of the spacing. An empty prediction of a structure
# that is there has the status `missed` and is priced with the diagonal of the image; it is never a perfect score.

# %%
import pandas as pd

from spectralcal.metrics import CalibrationHistogram, dice, surface_distances

network.eval()
with torch.no_grad():
    probabilities = network(images[4:]).softmax(1).double().numpy()
rows = []
for volume, shares in zip(volumes[4:], probabilities, strict=True):
    prediction = shares.argmax(0)
    for number, name in enumerate(CLASSES[1:], 1):
        distance = surface_distances(prediction == number, volume.label == number, volume.spacing_mm)
        rows.append(
            {
                "structure": name,
                "DSC": dice(prediction == number, volume.label == number),
                "HD95 (mm)": distance.hd95,
                "ASD (mm)": distance.asd,
                "status": distance.status,
            }
        )
display(pd.DataFrame(rows).round(3))

# %% [markdown]
# Calibration is read from one histogram: one pass over the voxels, integer counts, so volumes of any size, patches,
# cases and machines can be merged without rounding.

# %%
histogram = CalibrationHistogram(num_classes=len(CLASSES), bins=15)
for volume, shares in zip(volumes[4:], probabilities, strict=True):
    histogram.update(shares[None], volume.label[None])
print(
    f"ECE {histogram.ece():.4f}, SCE {histogram.sce():.4f}, TACE {histogram.tace():.4f} over {histogram.count} voxels"
)

# %% [markdown]
# "ECE" without the voxels that it is taken over is not one number. A named protocol says region, bins, aggregation and
# threshold:

# %%
from spectralcal.metrics import PROTOCOLS, region_mask, score_cases

cases = []
for volume, shares in zip(volumes[4:], probabilities, strict=True):
    histograms = {}
    for region in {protocol.region for protocol in PROTOCOLS.values()}:
        mask = region_mask(region, volume.label, shares.argmax(0), volume.spacing_mm)
        histograms[region] = CalibrationHistogram(len(CLASSES)).update(
            shares[None], volume.label[None], mask=mask[None]
        )
    cases.append(histograms)
table = {name: score_cases(cases, protocol) for name, protocol in PROTOCOLS.items()}
display(pd.DataFrame(table).T[["ece", "sce", "tace"]].astype(float).round(4))
display(Markdown("\n".join(f"* `{name}`: {protocol.source}" for name, protocol in PROTOCOLS.items())))

# %% [markdown]
# ## A folder of your own in a study
#
# Images and labels in the layout of nnU-Net (`imagesTr/case_0000.nii.gz`, `labelsTr/case.nii.gz`, `dataset.json`), of
# the Decathlon, or in a MONAI data list need no code:
#
# ```yaml
# study: mine
# datasets:
#   my_kidneys:
#     kind: nnunet_raw
#     path: /data/Dataset042_Kidneys
# architectures: {unet: {}}
# experiments:
#   main: {datasets: [my_kidneys], architectures: [unet], methods: [ce, spectral], seeds: [0, 1, 2]}
# tables: {table1: {experiment: main}, table2: {experiment: main}}
# ```
#
# `spectralcal datasets check my_kidneys --config mine.yaml` reads every file once and says what is wrong with it, and
# `snakemake --configfile mine.yaml --cores all` runs the study. How the parts are extended: `docs/extending.md`.
