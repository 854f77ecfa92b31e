# Tables and figures, made from scores, transcripts or run records, never from a model. A rule has the name of its
# artifact, so `snakemake triangle` and `snakemake results/figures/triangle.png` ask for the same.
SCORES = main_runs(rules.score.output.scores)
ROUTED = dict(
    transcripts=main_runs(rules.edit.output.transcript, editor=STUDIES["router"]["editor"]),
    runs=main_runs(rules.edit.output.run, editor=STUDIES["router"]["editor"]),
)
MAIN = "Main comparison"


rule main_table:
    input:
        scores=SCORES,
    output:
        table=table("main", MAIN, "md", "tex"),
    log:
        f"{R}/logs/analysis/main_table.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1500,
    params:
        code=code("analysis.output", "analysis.main_table"),
        artifact="main_table",
    message:
        "Table: every metric of every editor by T"
    shell:
        "python -m analysis {params.artifact} --scores {input.scores} --out {output} 2> {log}"


use rule main_table as paired_table with:
    input:
        scores=SCORES,
    output:
        table=table("paired", MAIN, "md"),
    log:
        f"{R}/logs/analysis/paired_table.log",
    params:
        code=code("analysis.output", "analysis.paired_table"),
        artifact="paired_table",
    message:
        "Table: WISE against each other editor on the same edits"


use rule main_table as perplexity_table with:
    input:
        scores=SCORES,
    output:
        table=table("perplexity", MAIN),
    log:
        f"{R}/logs/analysis/perplexity_table.log",
    params:
        code=code("analysis.output", "analysis.perplexity_table"),
        artifact="perplexity_table",
    message:
        "Table: perplexity of the targets"


use rule main_table as published_table with:
    input:
        scores=SCORES,
        published="analysis/published.csv",
    output:
        table=table("published", MAIN, "md"),
    log:
        f"{R}/logs/analysis/published_table.log",
    params:
        code=code("analysis.output", "analysis.published_table"),
        artifact="published_table",
    message:
        "Table: measured scores beside those of the WISE paper"


rule cost_table:
    input:
        runs=main_runs(rules.edit.output.run),
    output:
        table=table("cost", MAIN, "md"),
    log:
        f"{R}/logs/analysis/cost_table.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1500,
    params:
        code=code("analysis.output", "analysis.cost_table"),
        artifact="cost_table",
    message:
        "Table: what each editor cost"
    shell:
        "python -m analysis {params.artifact} --runs {input.runs} --out {output} 2> {log}"


use rule main_table as scores_vs_t with:
    input:
        scores=SCORES,
    output:
        figure=figure("scores_vs_t", MAIN),
    log:
        f"{R}/logs/analysis/scores_vs_t.log",
    params:
        code=code("analysis.output", "analysis.scores_vs_t"),
        artifact="scores_vs_t",
    message:
        "Figure: scores against the number of edits"


use rule main_table as triangle with:
    input:
        scores=SCORES,
    output:
        figure=figure("triangle", MAIN),
    log:
        f"{R}/logs/analysis/triangle.log",
    params:
        code=code("analysis.output", "analysis.triangle"),
        artifact="triangle",
    message:
        "Figure: reliability, generalization and locality at the largest T, or perplexity and locality"


use rule main_table as retention with:
    input:
        scores=SCORES,
    output:
        figure=figure("retention", MAIN),
    log:
        f"{R}/logs/analysis/retention.log",
    params:
        code=code("analysis.output", "analysis.retention"),
        artifact="retention",
    message:
        "Figure: scores of an edit against its age"


rule routing:
    input:
        transcripts=main_runs(rules.edit.output.transcript),
        runs=main_runs(rules.edit.output.run),
    output:
        figure=figure("routing", MAIN),
    log:
        f"{R}/logs/analysis/routing.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1500,
    params:
        code=code("analysis.output", "analysis.routing"),
        artifact="routing",
    message:
        "Figure: routing scores of edits, paraphrases and irrelevant questions"
    shell:
        "python -m analysis {params.artifact} --transcripts {input.transcripts} --runs {input.runs} --out {output} 2> {log}"


rule tables:
    input:
        rules.main_table.output,
        rules.paired_table.output,
        rules.perplexity_table.output,
        rules.published_table.output,
        rules.cost_table.output,
    message:
        "Tables of the main comparison"


rule figures:
    input:
        rules.scores_vs_t.output,
        rules.triangle.output,
        rules.retention.output,
        rules.routing.output,
    message:
        "Figures of the main comparison"
