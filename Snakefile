# The study: config -> data -> cells -> results -> tables, figures, notebooks. See README.md and docs/architecture.md.
from snakemake.utils import min_version

min_version("9.27")


# Snakemake would lay --configfile over this one key by key; a study is one file, not a mixture of two.
if not workflow.configfiles:

    configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        targets(),
