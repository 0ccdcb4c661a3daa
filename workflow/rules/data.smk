# From raw files to prepared arrays and a patient-level split.


def raw_data(wildcards):
    """No file to wait for, but the place to stop before any job when data are missing, naming all that are."""
    if not paths.manifest(wildcards.dataset).is_file():
        message = missing_data(study, wildcards.dataset)
        if message:
            raise WorkflowError(message)
    return []


rule prepare:
    input:
        raw_data,
    output:
        manifest=str(paths.prepared("{dataset}") / "manifest.csv"),
    params:
        recipe=lambda wildcards: recipe.preparation_recipe(study, wildcards.dataset),
    log:
        str(study.results / "logs/prepare/{dataset}.log"),
    conda:
        ENVIRONMENT
    threads: lambda wildcards: study.preparation_of(wildcards.dataset).workers
    message:
        "preparing {wildcards.dataset}"
    shell:
        "{VERB} prepare --config {CONFIG:q} --dataset {wildcards.dataset:q} --workers {threads} 2> {log:q}"
        " || {{ tail -n 3 {log:q} >&2; exit 1; }}"


rule split:
    input:
        manifest=rules.prepare.output.manifest,
    output:
        split=str(paths.split("{dataset}")),
    params:
        recipe=lambda wildcards: recipe.split_recipe(study, wildcards.dataset),
    log:
        str(study.results / "logs/split/{dataset}.log"),
    conda:
        ENVIRONMENT
    message:
        "splitting the patients of {wildcards.dataset}"
    shell:
        "{VERB} split --config {CONFIG:q} --dataset {wildcards.dataset:q} 2> {log:q}"
        " || {{ tail -n 3 {log:q} >&2; exit 1; }}"
