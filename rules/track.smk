# MLflow: one job is its only writer, so that no two jobs race for the database. The store is a copy for people, which
# no rule reads back, and can be deleted at any time.
RUN_FILES, SCORE_FILES = tracked("{}/run.json".format), tracked(scores_of)
SHOWN = [*rules.tables.input, *rules.figures.input, *rules.claims.output, *rules.ablations.input]


rule track:
    input:
        runs=RUN_FILES,
        scores=SCORE_FILES,
        records=expand(f"{R}/data/{{dataset}}/edits.jsonl", dataset=config["datasets"]),
        tables=[file for file in SHOWN if "/tables/" in file],
        figures=[file for file in SHOWN if "/figures/" in file],
    output:
        summary=f"{R}/tracking.json",
    log:
        f"{R}/logs/track.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=2000,
    params:
        code=code("wise.commands.track"),
        uri=config["tracking"]["uri"] or f"sqlite:///{R}/mlflow.db",
        experiment=lambda wildcards: config["tracking"]["experiment"],
        artifacts=f"{R}/mlartifacts",
    message:
        "Writing runs, scores, tables and figures to MLflow"
    shell:
        "python -m wise track --runs {input.runs} --scores {input.scores} --records {input.records} --tables {input.tables}"
        " --figures {input.figures} --uri {params.uri:q} --experiment {params.experiment:q}"
        " --artifacts {params.artifacts} --out {output.summary} 2> {log}"
