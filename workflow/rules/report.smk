# What people read: tables, figures, notebooks. None of it needs a GPU, raw data or torch, but for probes: what figures
# and claims need of networks and no cell keeps.


rule probe:
    input:
        rules.collect.output.cases,
    output:
        str(paths.probe("{probe}", "{dataset}", "{arch}", "{seed}")),
    log:
        str(
            study.results
            / "logs/probe/{probe}/dataset={dataset}/arch={arch}/seed={seed}.log"
        ),
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        mem_mb=study.compute.memory_mb,
        gpu=GPU,
    params:
        recipe=lambda wildcards: recipe.probe_recipe(
            study,
            wildcards.probe,
            wildcards.dataset,
            wildcards.arch,
            int(wildcards.seed),
        ),
    message:
        "measuring {wildcards.probe} ({wildcards.dataset}, {wildcards.arch}, seed {wildcards.seed})"
    shell:
        "python -m spectralcal probe {wildcards.probe:q} --dataset {wildcards.dataset:q} --arch {wildcards.arch:q}"
        " --seed {wildcards.seed} 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


rule table:
    input:
        rules.collect.output.cases,
    output:
        csv=str(study.results / "tables/{table}.csv"),
        markdown=str(study.results / "tables/{table}.md"),
        latex=str(study.results / "tables/{table}.tex"),
    log:
        str(study.results / "logs/table/{table}.log"),
    conda:
        ENVIRONMENT
    params:
        recipe=lambda wildcards: recipe.output_recipe(study, "tables", wildcards.table),
        title=lambda wildcards: title("tables", wildcards.table),
    message:
        "making {wildcards.table}"
    shell:
        "python -m spectralcal table {wildcards.table:q} 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


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
    log:
        str(study.results / "logs/figure/{figure}.log"),
    conda:
        ENVIRONMENT
    params:
        recipe=lambda wildcards: recipe.output_recipe(
            study, "figures", wildcards.figure
        ),
        title=lambda wildcards: title("figures", wildcards.figure),
        # Needs `output`, so that it is no reason to draw again: there is no caption before the figure is drawn.
        caption=lambda wildcards, output: in_report(output.caption),
    message:
        "drawing {wildcards.figure}"
    shell:
        "python -m spectralcal figure {wildcards.figure:q} 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


rule claims:
    input:
        cases=rules.collect.output.cases,
        extra=claims_inputs,
    output:
        csv=report(
            str(paths.claims),
            caption="../report/claims.rst",
            category="Claims",
            labels={"claims": "all findings (CSV)"},
        ),
        markdown=str(paths.claims.with_suffix(".md")),
    log:
        str(study.results / "logs/claims.log"),
    conda:
        ENVIRONMENT
    params:
        recipe=lambda wildcards: recipe.claims_recipe(study),
    message:
        "deciding the paper's claims"
    shell:
        "python -m spectralcal claims 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


# The report shows HTML in place; CSV and Markdown it would only hand out as files.
rule table_page:
    input:
        rules.table.output.markdown,
    output:
        report(
            str(study.results / "pages/{table}.html"),
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        str(study.results / "logs/page/{table}.log"),
    conda:
        ENVIRONMENT
    params:
        title=lambda wildcards: title("tables", wildcards.table),
    message:
        "making the page of {wildcards.table}"
    shell:
        "python -m spectralcal page {input:q} {output:q} 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


rule claims_page:
    input:
        rules.claims.output.markdown,
    output:
        report(
            str(study.results / "pages/claims.html"),
            caption="../report/claims.rst",
            category="Claims",
            labels={"claims": "the ledger"},
        ),
    log:
        str(study.results / "logs/page/claims.log"),
    conda:
        ENVIRONMENT
    message:
        "making the page of the claims ledger"
    shell:
        "python -m spectralcal page {input:q} {output:q} 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"


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
        "{{ python -m jupytext --to ipynb --execute --run-path . --output {output.ipynb:q} {input.notebook:q} &&"
        " python -m nbconvert --to html --HTMLExporter.mathjax_url= --HTMLExporter.require_js_url= {output.ipynb:q}; }} > {log:q} 2>&1"
        " || {{ tail -n 5 {log:q} >&2; exit 1; }}"


rule provenance:
    input:
        cases=rules.collect.output.cases,
        tables=[str(paths.table(name)) for name in study.tables],
        figures=[str(paths.figure(name)) for name in study.figures],
        claims=[str(paths.claims)] if study.claims is not None else [],
    output:
        str(paths.provenance),
    log:
        str(study.results / "logs/provenance.log"),
    conda:
        ENVIRONMENT
    message:
        "tying tables and figures to the cells that they show"
    shell:
        "python -m spectralcal provenance > {log:q} 2>&1 || {{ tail -n 3 {log:q} >&2; exit 1; }}"
