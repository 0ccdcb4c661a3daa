# From raw files to prepared arrays and a patient-level split.


rule prepare:
    output:
        manifest=str(paths.prepared("{dataset}") / "manifest.csv"),
        checksum=str(paths.prepared("{dataset}") / "manifest.csv.sha256"),
    log:
        str(study.results / "logs/prepare/{dataset}.log"),
    conda:
        ENVIRONMENT
    threads: lambda wildcards: study.preparation_of(wildcards.dataset).workers
    params:
        recipe=lambda wildcards: recipe.preparation_recipe(study, wildcards.dataset),
    message:
        "preparing {wildcards.dataset}"
    shell:
        "python -m spectralcal prepare --dataset {wildcards.dataset:q} --workers {threads} 2> {log:q}"
        " || {{ tail -n 3 {log:q} >&2; exit 1; }}"


rule split:
    input:
        manifest=rules.prepare.output.manifest,
    output:
        split=str(paths.split("{dataset}")),
    log:
        str(study.results / "logs/split/{dataset}.log"),
    conda:
        ENVIRONMENT
    params:
        recipe=lambda wildcards: recipe.split_recipe(study, wildcards.dataset),
    message:
        "splitting the patients of {wildcards.dataset}"
    shell:
        "python -m spectralcal split --dataset {wildcards.dataset:q} 2> {log:q}"
        " || {{ tail -n 3 {log:q} >&2; exit 1; }}"
