# Scores of a cell on its test cases, and one tidy table of all cells.

FURTHER = {"scorers": f"{CELL}/scorers.npz"} if study.evaluation.further_scorers else {}
CONDITION = f"{CELL}/condition={{condition}}"
CONDITION_FURTHER = {name: f"{CONDITION}/{name}.npz" for name in FURTHER}


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


rule test_condition:
    input:
        unpack(condition_inputs),
    output:
        **CONDITION_FURTHER,
        cases=f"{CONDITION}/cases.csv",
        calibration=f"{CONDITION}/calibration.npz",
        spectra=f"{CONDITION}/spectra.npz",
        evaluation=f"{CONDITION}/evaluation.json",
    log:
        str(
            study.results
            / "logs/evaluate/dataset={dataset}/arch={arch}/method={method}/seed={seed}/condition={condition}.log"
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
        "testing {wildcards.method} on {wildcards.dataset} ({wildcards.arch}, seed {wildcards.seed}) under {wildcards.condition}"
    shell:
        "python -m spectralcal evaluate --dataset {wildcards.dataset:q} --arch {wildcards.arch:q}"
        " --method {wildcards.method:q} --seed {wildcards.seed} --condition {wildcards.condition:q} 2> {log:q}"
        " || {{ code=$?; tail -n 3 {log:q} >&2; exit $code; }}"


rule collect:
    input:
        scored(CELLS),
        tested(CELLS),
    output:
        cases=str(paths.cases),
        cells=str(paths.cells),
    log:
        str(study.results / "logs/collect.log"),
    conda:
        ENVIRONMENT
    params:
        cells=lambda wildcards: recipe.digest(
            sorted(map(str, CELLS)), *study.evaluation.conditions
        ),
    message:
        "collecting the scores of all cells"
    shell:
        "python -m spectralcal collect 2> {log:q} || {{ tail -n 3 {log:q} >&2; exit 1; }}"
