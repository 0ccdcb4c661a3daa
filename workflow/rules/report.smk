# What people read: tables, figures, notebooks. None of it needs a GPU, raw data or torch, but for the maps of one case.


def title(kind, name):
    """One line on a table or figure, from its file."""
    return registry.constant(kind, getattr(study, kind)[name].source or name, "TITLE")


def figure_inputs(wildcards):
    """The scores, and the maps of the experiment's first seed if the figure shows images."""
    output = study.figures[wildcards.figure]
    needs = (
        registry.constant("figures", output.source or wildcards.figure, "NEEDS") or ()
    )
    if "maps" not in needs:
        return []
    experiment = study.experiments[output.experiment]
    return [
        str(paths.maps(dataset, architecture, experiment.seeds[0]))
        for dataset in experiment.datasets
        for architecture in experiment.architectures
    ]


rule maps:
    input:
        rules.collect.output.cases,
    output:
        str(paths.maps("{dataset}", "{arch}", "{seed}")),
    params:
        recipe=lambda wildcards: recipe.maps_recipe(
            study, wildcards.dataset, wildcards.arch, int(wildcards.seed)
        ),
    log:
        str(study.results / "logs/maps/dataset={dataset}/arch={arch}/seed={seed}.log"),
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        mem_mb=study.compute.memory_mb,
        gpu=1 if study.compute.device != "cpu" else 0,
    message:
        "predicting the case that figures show ({wildcards.dataset}, {wildcards.arch})"
    shell:
        "{VERB} maps --config {CONFIG:q} --dataset {wildcards.dataset:q} --arch {wildcards.arch:q}"
        " --seed {wildcards.seed} 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


rule table:
    input:
        rules.collect.output.cases,
    output:
        csv=report(
            str(study.results / "tables/{table}.csv"),
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        markdown=str(study.results / "tables/{table}.md"),
        latex=str(study.results / "tables/{table}.tex"),
    params:
        recipe=lambda wildcards: recipe.output_recipe(
            study, "tables", wildcards.table
        ),
        title=lambda wildcards: title("tables", wildcards.table),
    log:
        str(study.results / "logs/table/{table}.log"),
    conda:
        ENVIRONMENT
    message:
        "making {wildcards.table}"
    shell:
        "{VERB} table {wildcards.table:q} --config {CONFIG:q} 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


rule figure:
    input:
        cases=rules.collect.output.cases,
        extra=figure_inputs,
    output:
        pdf=str(study.figures_folder / "{figure}.pdf"),
        png=report(
            str(study.figures_folder / "{figure}.png"),
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        csv=str(study.figures_folder / "{figure}.csv"),
        caption=str(study.figures_folder / "{figure}.md"),
    params:
        recipe=lambda wildcards: recipe.output_recipe(
            study, "figures", wildcards.figure
        ),
        title=lambda wildcards: title("figures", wildcards.figure),
    log:
        str(study.results / "logs/figure/{figure}.log"),
    conda:
        ENVIRONMENT
    message:
        "drawing {wildcards.figure}"
    shell:
        "{VERB} figure {wildcards.figure:q} --config {CONFIG:q} 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


rule notebook:
    input:
        notebook="notebooks/{notebook}.py",
        tables=[str(paths.table(name)) for name in study.tables],
        figures=[str(paths.figure(name)) for name in study.figures],
    output:
        html=report(
            str(study.results / "notebooks/{notebook}.html"),
            caption="../report/notebook.rst",
            category="Notebooks",
            labels={"notebook": "{notebook}"},
        ),
        ipynb=str(study.results / "notebooks/{notebook}.ipynb"),
    log:
        str(study.results / "logs/notebook/{notebook}.log"),
    conda:
        ENVIRONMENT
    message:
        "executing the notebook {wildcards.notebook}"
    shell:
        "{{ export SPECTRALCAL_CONFIG={CONFIG:q};"
        " {PYTHON} -m jupytext --to ipynb --execute --output {output.ipynb:q} {input.notebook:q} &&"
        " {PYTHON} -m nbconvert --to html {output.ipynb:q}; }} > {log:q} 2>&1"
        " || {{ tail -n 5 {log:q} >&2; exit 1; }}"
