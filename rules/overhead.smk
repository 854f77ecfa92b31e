# The cost of editors, timed in one job so that their numbers compare.


rule measure_overhead:
    input:
        records=f"{R}/data/{STUDY_DATASET}/edits.jsonl",
        train=f"{R}/data/{STUDY_DATASET}/train.jsonl",
        contexts=f"{R}/contexts/{STUDY_MODEL}.json",
        folder=model_input(STUDY_MODEL),
    output:
        measured=f"{R}/overhead/{STUDY_DATASET}/{STUDY_MODEL}.json",
    log:
        f"{R}/logs/overhead/{STUDY_DATASET}/{STUDY_MODEL}.log",
    benchmark:
        f"{R}/benchmarks/overhead/{STUDY_DATASET}/{STUDY_MODEL}.tsv"
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("measure_overhead"),
    params:
        code=code("wise.commands.overhead"),
        model=model_options(STUDY_MODEL),
        # Looked up when it runs: a comparison without this study need not have its editors.
        editors=lambda wildcards: json.dumps(
            {name: plan.options(config, STUDY_DATASET, STUDY_MODEL, name) for name in STUDIES["overhead"]["editors"]}
        ),
        layer=layer_option(config["models"][STUDY_MODEL]["layer"]),
        T=json.dumps(plan.overhead_sizes(config)),
        precision=f"--half-width {STUDIES['overhead']['half_width']} --seconds {STUDIES['overhead']['seconds']}",
        seed=STUDIES["overhead"]["seed"],
    message:
        "Measuring parameters, memory and time of every editor"
    shell:
        "python -m wise overhead --records {input.records} --train {input.train} {params.model}"
        " --contexts {input.contexts} --editors {params.editors:q} {params.layer} --T {params.T:q}"
        " --seed {params.seed} {params.precision} --out {output.measured} 2> {log}"
