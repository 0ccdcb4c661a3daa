# Scores of a cell on its test cases, and one tidy table of all cells.

FURTHER = {"scorers": f"{CELL}/scorers.npz"} if study.evaluation.further_scorers else {}


rule evaluate:
    input:
        unpack(evaluation_inputs),
    output:
        **FURTHER,
        cases=f"{CELL}/cases.csv",
        calibration=f"{CELL}/calibration.npz",
        spectra=f"{CELL}/spectra.npz",
        evaluation=f"{CELL}/evaluation.json",
    log:
        str(
            study.results
            / "logs/evaluate/dataset={dataset}/arch={arch}/method={method}/seed={seed}.log"
        ),
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        mem_mb=study.compute.memory_mb,
        gpu=GPU,
    params:
        recipe=lambda wildcards: recipe.evaluation_recipe(resolved(wildcards)),
    message:
        "scoring {wildcards.method} on {wildcards.dataset} ({wildcards.arch}, seed {wildcards.seed})"
    shell:
        "python -m spectralcal evaluate --dataset {wildcards.dataset:q} --arch {wildcards.arch:q}"
        " --method {wildcards.method:q} --seed {wildcards.seed} 2> {log:q}"
        " || {{ code=$?; tail -n 3 {log:q} >&2; exit $code; }}"


rule collect:
    input:
        scored(CELLS),
    output:
        cases=str(paths.cases),
        cells=str(paths.cells),
    log:
        str(study.results / "logs/collect.log"),
    conda:
        ENVIRONMENT
    params:
        cells=lambda wildcards: recipe.digest(sorted(map(str, CELLS))),
    message:
        "collecting the scores of all cells"
    shell:
        "python -m spectralcal collect 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"
