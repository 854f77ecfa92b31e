# Tables and figures of the ablations, each study a target of its own: `snakemake shards`.
STUDY = "Ablations"
# GRACE is drawn as a line beside the layers, where the main comparison has it.
LAYER_REFERENCE = main_runs(
    rules.score.output.scores,
    dataset=STUDY_DATASET,
    model=STUDY_MODEL,
    editor=[name for name in EDITORS if name == "grace"],
)


rule layer:
    input:
        scores=expand("{run}/scores.parquet", run=LAYER_RUNS),
        runs=expand("{run}/run.json", run=LAYER_RUNS),
        reference=LAYER_REFERENCE,
    output:
        table=table("layer", STUDY, "md"),
        figure=figure("layer", STUDY),
    log:
        f"{R}/logs/analysis/layer.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1500,
    params:
        code=code("analysis.output", "analysis.layer"),
        artifact="layer",
        reference=lambda wildcards, input: f"--reference-scores {input.reference}" if input.reference else "",
    message:
        "Ablation: which layer to edit"
    shell:
        "python -m analysis {params.artifact} --scores {input.scores} --runs {input.runs} {params.reference}"
        " --out {output} 2> {log}"


use rule layer as shards with:
    input:
        scores=expand("{run}/scores.parquet", run=SHARDS_RUNS),
        runs=expand("{run}/run.json", run=SHARDS_RUNS),
    output:
        table=table("shards", STUDY, "md"),
        figure=figure("shards", STUDY),
    log:
        f"{R}/logs/analysis/shards.log",
    params:
        code=code("analysis.output", "analysis.shards"),
        artifact="shards",
        reference="",
    message:
        "Ablation: number of shards and mask ratio"


use rule layer as generation with:
    input:
        scores=expand("{run}/scores.parquet", run=GENERATION_RUNS),
        runs=expand("{run}/run.json", run=GENERATION_RUNS),
    output:
        table=table("generation", STUDY, "md", "tex"),
        figure=figure("generation", STUDY),
    log:
        f"{R}/logs/analysis/generation.log",
    params:
        code=code("analysis.output", "analysis.generation"),
        artifact="generation",
        reference="",
    message:
        "Ablation: teacher-forced against freely generated answers"


use rule layer as switches with:
    input:
        scores=expand("{run}/scores.parquet", run=SWITCHES_RUNS),
        runs=expand("{run}/run.json", run=SWITCHES_RUNS),
    output:
        table=table("switches", STUDY, "md", "tex"),
        figure=figure("switches", STUDY),
    log:
        f"{R}/logs/analysis/switches.log",
    params:
        code=code("analysis.output", "analysis.switches"),
        artifact="switches",
        reference="",
    message:
        "Ablation: every switch set back to what the paper or the released code does"


use rule switches as locate with:
    input:
        scores=expand("{run}/scores.parquet", run=LOCATE_RUNS),
        runs=expand("{run}/run.json", run=LOCATE_RUNS),
    output:
        table=table("locate", STUDY, "md", "tex"),
        figure=figure("locate", STUDY),
    log:
        f"{R}/logs/analysis/locate.log",
    params:
        code=code("analysis.output", "analysis.switches"),
    message:
        "Ablation: the rewritten token and the norm of its value in locate-then-edit methods"


use rule routing as grace_radius with:
    input:
        transcripts=expand("{run}/transcript.parquet", run=RADIUS_RUNS),
        runs=expand("{run}/run.json", run=RADIUS_RUNS),
    output:
        table=table("grace_radius", STUDY, "md"),
        figure=figure("grace_radius", STUDY),
    log:
        f"{R}/logs/analysis/grace_radius.log",
    params:
        code=code("analysis.output", "analysis.grace_radius"),
        artifact="grace_radius",
    message:
        "Ablation: distance to the nearest key of GRACE against its deferral radius"


use rule routing as router with:
    input:
        **ROUTED,
    output:
        table=table("router", STUDY, "md"),
        figure=figure("router", STUDY),
    log:
        f"{R}/logs/analysis/router.log",
    params:
        code=code("analysis.output", "analysis.router"),
        artifact="router",
    message:
        "Ablation: routing scores against T, their distributions and ROC"


rule overhead:
    input:
        overhead=rules.measure_overhead.output.measured,
    output:
        table=table("overhead", STUDY, "md"),
        figure=figure("overhead", STUDY),
    log:
        f"{R}/logs/analysis/overhead.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1500,
    params:
        code=code("analysis.output", "analysis.overhead"),
        artifact="overhead",
    message:
        "Ablation: parameters, memory and time of every editor"
    shell:
        "python -m analysis {params.artifact} --overhead {input.overhead} --out {output} 2> {log}"


rule ablations:
    input:
        [getattr(rules, study).output for study in STUDIES["include"]],
    message:
        "Tables and figures of the studies that the configuration includes"
