# One cell: a network trained once. The checkpoint is no declared output, because Snakemake deletes those of an
# interrupted job; a retried or rerun job continues from it.


rule train:
    input:
        manifest=rules.prepare.output.manifest,
        split=rules.split.output.split,
    output:
        weights=f"{CELL}/weights.safetensors",
        model=f"{CELL}/model.json",
        history=f"{CELL}/history.csv",
        run=f"{CELL}/run.json",
    log:
        str(
            study.results
            / "logs/train/dataset={dataset}/arch={arch}/method={method}/seed={seed}.log"
        ),
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        mem_mb=study.compute.memory_mb,
        gpu=GPU,
    params:
        recipe=lambda wildcards: recipe.training_recipe(resolved(wildcards)),
    message:
        "training {wildcards.method} on {wildcards.dataset} ({wildcards.arch}, seed {wildcards.seed})"
    shell:
        "python -m spectralcal train --dataset {wildcards.dataset:q} --arch {wildcards.arch:q}"
        " --method {wildcards.method:q} --seed {wildcards.seed} --then-evaluate 2> {log:q}"
        " || {{ code=$?; tail -n 3 {log:q} >&2; exit $code; }}"
