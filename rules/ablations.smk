# Studies beside the main comparison. `layer` and `shards` repeat the edit job with overrides, one job for every point
# of their parameter space, `generation`, `switches`, `locate` and `grace_radius` one for each named variant; `overhead` times
# single edits; `router` reads the main runs. Their tables and figures are in rules/studies.smk.
LAYER_SPACE = study_space("layer", "layer")
SHARDS_SPACE = study_space("shards", "k", "rho")
LAYER_RUNS = study_runs("layer", LAYER_SPACE)
SHARDS_RUNS = study_runs("shards", SHARDS_SPACE)
VARIANT = "{study}/{dataset}/{editor}/{variant}/seed{seed}"
GENERATION_RUNS = variant_runs("generation", VARIANT)
SWITCHES_RUNS = variant_runs("switches", VARIANT)
LOCATE_RUNS = variant_runs("locate", VARIANT)
RADIUS_RUNS = variant_runs("grace_radius", VARIANT)
STUDY_INPUTS = dict(
    records=f"{R}/data/{STUDY_DATASET}/edits.jsonl",
    train=f"{R}/data/{STUDY_DATASET}/train.jsonl",
    contexts=f"{R}/contexts/{STUDY_MODEL}.json",
    preedit=f"{R}/preedit/{STUDY_DATASET}/{STUDY_MODEL}.parquet",
    folder=model_input(STUDY_MODEL),
)
STUDY_PARAMS = dict(
    model=model_options(STUDY_MODEL),
    place=f"--dataset {STUDY_DATASET} --model-name {STUDY_MODEL}",
    batch_size=plan.evaluation(config, STUDY_DATASET)["batch_size"],
    generate="",
    artifact="",
)


use rule edit as layer_edit with:
    input:
        **STUDY_INPUTS,
    output:
        transcript=f"{R}/ablations/layer/{LAYER_SPACE.wildcard_pattern}/seed{{seed}}/transcript.parquet",
        run=f"{R}/ablations/layer/{LAYER_SPACE.wildcard_pattern}/seed{{seed}}/run.json",
        memory=directory(f"{R}/ablations/layer/{LAYER_SPACE.wildcard_pattern}/seed{{seed}}/memory"),
    log:
        f"{R}/logs/ablations/layer/{LAYER_SPACE.wildcard_pattern}/seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks/ablations/layer/{LAYER_SPACE.wildcard_pattern}/seed{{seed}}.tsv"
    priority: 5
    params:
        **STUDY_PARAMS,
        code=editor_code("stream", STUDIES["layer"]["editor"]),
        editor=STUDIES["layer"]["editor"],
        options=json.dumps(plan.options(config, STUDIES["layer"]["editor"], STUDIES["layer"]["options"])),
        layer=lambda wildcards: wildcards.layer,
        edits=STUDIES["layer"]["edits"],
        grid=json.dumps(STUDIES["layer"]["grid"]),
    message:
        "Ablation of the edited layer: layer {wildcards.layer}, seed {wildcards.seed}"


use rule edit as shards_edit with:
    input:
        **STUDY_INPUTS,
    output:
        transcript=f"{R}/ablations/shards/{SHARDS_SPACE.wildcard_pattern}/seed{{seed}}/transcript.parquet",
        run=f"{R}/ablations/shards/{SHARDS_SPACE.wildcard_pattern}/seed{{seed}}/run.json",
        memory=directory(f"{R}/ablations/shards/{SHARDS_SPACE.wildcard_pattern}/seed{{seed}}/memory"),
    log:
        f"{R}/logs/ablations/shards/{SHARDS_SPACE.wildcard_pattern}/seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks/ablations/shards/{SHARDS_SPACE.wildcard_pattern}/seed{{seed}}.tsv"
    priority: 5
    params:
        **STUDY_PARAMS,
        code=editor_code("stream", STUDIES["shards"]["editor"]),
        editor=STUDIES["shards"]["editor"],
        options=lambda wildcards: json.dumps(
            plan.options(
                config,
                STUDIES["shards"]["editor"],
                STUDIES["shards"]["options"],
                {"shards": int(wildcards.k), "rho": float(wildcards.rho)},
            )
        ),
        layer=plan.layer(config, STUDY_MODEL, STUDIES["shards"]["editor"]),
        edits=STUDIES["shards"]["edits"],
        grid=json.dumps(STUDIES["shards"]["grid"]),
    message:
        "Ablation of sharding: k = {wildcards.k}, rho = {wildcards.rho}, seed {wildcards.seed}"


use rule edit as variant_edit with:
    input:
        records=rules.edit.input.records,
        train=rules.edit.input.train,
        contexts=STUDY_INPUTS["contexts"],
        preedit=f"{R}/preedit/{{dataset}}/{STUDY_MODEL}.parquet",
        folder=STUDY_INPUTS["folder"],
        artifact=lambda wildcards: artifact_file(wildcards.editor, wildcards.dataset, STUDY_MODEL),
    output:
        transcript=f"{R}/ablations/{VARIANT}/transcript.parquet",
        run=f"{R}/ablations/{VARIANT}/run.json",
        memory=directory(f"{R}/ablations/{VARIANT}/memory"),
    log:
        f"{R}/logs/ablations/{VARIANT}.log",
    benchmark:
        f"{R}/benchmarks/ablations/{VARIANT}.tsv"
    wildcard_constraints:
        study="|".join(plan.VARIANT_STUDIES),
    priority: 5
    params:
        code=lambda wildcards: editor_code("stream", wildcards.editor),
        model=STUDY_PARAMS["model"],
        place=f"--dataset {{dataset}} --model-name {STUDY_MODEL}",
        batch_size=lambda wildcards: plan.evaluation(config, wildcards.dataset)["batch_size"],
        generate=lambda wildcards: "--generate" if wildcards.study == "generation" else "",
        artifact=rules.edit.params.artifact,
        editor=lambda wildcards: wildcards.editor,
        options=lambda wildcards: json.dumps(
            plan.variant_options(config, wildcards.study, wildcards.editor, wildcards.variant)
        ),
        layer=lambda wildcards: plan.layer(config, STUDY_MODEL, wildcards.editor),
        edits=lambda wildcards: STUDIES[wildcards.study]["edits"],
        grid=lambda wildcards: json.dumps(STUDIES[wildcards.study]["grid"]),
    message:
        "Ablation {wildcards.study}: {wildcards.editor}, {wildcards.variant}, {wildcards.dataset}, seed {wildcards.seed}"


use rule score as study_score with:
    input:
        transcript=f"{R}/ablations/{{study}}/{{point}}/transcript.parquet",
        run=f"{R}/ablations/{{study}}/{{point}}/run.json",
    output:
        scores=f"{R}/ablations/{{study}}/{{point}}/scores.parquet",
    log:
        f"{R}/logs/ablations/{{study}}/{{point}}.score.log",
    wildcard_constraints:
        study="|".join(plan.STREAM_STUDIES),
        point=r".+/seed\d+",
    params:
        code=code("wise.commands.score"),
    message:
        "Scoring the ablation {wildcards.study}, {wildcards.point}"


rule measure_overhead:
    input:
        **STUDY_INPUTS,
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
        mem_mb=3000,
    params:
        code=code("wise.commands.overhead"),
        model=model_options(STUDY_MODEL),
        editors=json.dumps({name: plan.options(config, name) for name in STUDIES["overhead"]["editors"]}),
        layer=config["models"][STUDY_MODEL]["layer"],
        T=json.dumps(STUDIES["overhead"]["T"]),
        seed=STUDIES["overhead"]["seed"],
    message:
        "Measuring parameters, memory and time of every editor"
    shell:
        "python -m wise overhead --records {input.records} --train {input.train} {params.model}"
        " --contexts {input.contexts} --editors {params.editors:q} --layer {params.layer} --T {params.T:q}"
        " --seed {params.seed} --out {output.measured} 2> {log}"
