# One job edits the whole stream with one editor and one seed, and asks after every T of the grid. It leaves checkpoints
# below {R}/checkpoints, from which it goes on when it is started again. They are no outputs: those would be deleted then.


rule edit:
    input:
        unpack(edit_inputs),
    output:
        transcript=f"{R}/edit/{MAIN_RUN}/transcript.parquet",
        run=f"{R}/edit/{MAIN_RUN}/run.json",
        memory=directory(f"{R}/edit/{MAIN_RUN}/memory"),
    log:
        f"{R}/logs/edit/{MAIN_RUN}.log",
    benchmark:
        f"{R}/benchmarks/edit/{MAIN_RUN}.tsv"
    # The longest jobs first, so that none of them is left alone on one core at the end.
    priority: lambda wildcards: 10 if KNOWN_EDITORS[wildcards.editor].slow else 0
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("edit"),
    params:
        code=lambda wildcards: editor_code("stream", job_of(wildcards).editor),
        options=edit_options,
        artifact=lambda wildcards, input: f"--artifact {input.artifact}" if input.artifact else "",
        checkpoint=checkpoint_options,
        out=subpath(output.run, parent=True),
    message:
        "Editing {wildcards.model} with {wildcards.editor} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m wise stream --records {input.records} --train {input.train} --contexts {input.contexts}"
        " --preedit {input.preedit} {params.options} {params.artifact} {params.checkpoint} --out {params.out} 2> {log}"


use rule edit as study_edit with:
    output:
        transcript=f"{R}/ablations/{{study}}/{{point}}/transcript.parquet",
        run=f"{R}/ablations/{{study}}/{{point}}/run.json",
        memory=directory(f"{R}/ablations/{{study}}/{{point}}/memory"),
    log:
        f"{R}/logs/ablations/{{study}}/{{point}}.log",
    benchmark:
        f"{R}/benchmarks/ablations/{{study}}/{{point}}.tsv"
    priority: 5
    message:
        "Study {wildcards.study}: {wildcards.point}"
