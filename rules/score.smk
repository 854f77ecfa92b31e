# Scores are pure functions of transcripts: a new metric never repeats an edit.


rule score:
    input:
        transcript=rules.edit.output.transcript,
        run=rules.edit.output.run,
    output:
        scores=f"{R}/scores/{MAIN_RUN}.parquet",
    log:
        f"{R}/logs/score/{MAIN_RUN}.log",
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


use rule score as study_score with:
    input:
        transcript=rules.study_edit.output.transcript,
        run=rules.study_edit.output.run,
    output:
        scores=f"{R}/ablations/{{study}}/{{point}}/scores.parquet",
    log:
        f"{R}/logs/ablations/{{study}}/{{point}}.score.log",
    message:
        "Scoring the study {wildcards.study}, {wildcards.point}"
