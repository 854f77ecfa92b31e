# Causal tracing of the unedited model: which layers carry what it knows.


rule trace:
    input:
        records=f"{R}/data/{STUDY_DATASET}/edits.jsonl",
        folder=model_input(STUDY_MODEL),
    output:
        traced=f"{R}/tracing/{STUDY_DATASET}/{STUDY_MODEL}.json",
    log:
        f"{R}/logs/tracing/{STUDY_DATASET}/{STUDY_MODEL}.log",
    benchmark:
        f"{R}/benchmarks/tracing/{STUDY_DATASET}/{STUDY_MODEL}.tsv"
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("trace"),
    params:
        code=code("wise.commands.trace"),
        model=model_options(STUDY_MODEL),
        asked=" ".join(f"--{key} {value}" for key, value in STUDIES["tracing"].items()),
    message:
        "Tracing which layers of {STUDY_MODEL} carry what it knows"
    shell:
        "python -m wise trace --records {input.records} {params.model} {params.asked} --out {output.traced} 2> {log}"
