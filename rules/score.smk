# Scores are pure functions of transcripts: a new metric never repeats an edit.


rule score:
    input:
        transcript=rules.edit.output.transcript,
        run=rules.edit.output.run,
    output:
        scores=f"{R}/scores/{{dataset}}/{{model}}/{{editor}}/seed{{seed}}.parquet",
    log:
        f"{R}/logs/score/{{dataset}}/{{model}}/{{editor}}/seed{{seed}}.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1000,
    params:
        code=code("wise.commands.score"),
    message:
        "Scoring {wildcards.editor} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m wise score --transcript {input.transcript} --run {input.run} --out {output.scores} 2> {log}"
