# One job edits the whole stream with one editor and one seed, and asks after every T of the grid. It leaves checkpoints
# below {R}/checkpoints, from which it goes on when it is started again. They are no outputs: those would be deleted then.


rule edit:
    input:
        records=f"{R}/data/{{dataset}}/edits.jsonl",
        train=f"{R}/data/{{dataset}}/train.jsonl",
        contexts=f"{R}/contexts/{{model}}.json",
        preedit=f"{R}/preedit/{{dataset}}/{{model}}.parquet",
        folder=model_folder,
        artifact=lambda wildcards: artifact_file(wildcards.editor, wildcards.dataset, wildcards.model),
    output:
        transcript=f"{R}/edit/{{dataset}}/{{model}}/{{editor}}/seed{{seed}}/transcript.parquet",
        run=f"{R}/edit/{{dataset}}/{{model}}/{{editor}}/seed{{seed}}/run.json",
        memory=directory(f"{R}/edit/{{dataset}}/{{model}}/{{editor}}/seed{{seed}}/memory"),
    log:
        f"{R}/logs/edit/{{dataset}}/{{model}}/{{editor}}/seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks/edit/{{dataset}}/{{model}}/{{editor}}/seed{{seed}}.tsv"
    # The longest jobs first, so that none of them is left alone on one core at the end.
    priority: lambda wildcards: 10 if wildcards.editor.startswith("wise") else 0
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        code=lambda wildcards: editor_code("stream", wildcards.editor),
        model=lambda wildcards: model_options(wildcards.model),
        place=lambda wildcards: f"--dataset {wildcards.dataset} --model-name {wildcards.model}",
        editor=lambda wildcards: wildcards.editor,
        options=lambda wildcards: json.dumps(plan.options(config, wildcards.editor, model=wildcards.model)),
        layer=lambda wildcards: plan.layer(config, wildcards.model, wildcards.editor),
        edits=lambda wildcards: plan.evaluation(config, wildcards.dataset)["edits"],
        grid=lambda wildcards: json.dumps(plan.evaluation(config, wildcards.dataset)["grid"]),
        batch_size=lambda wildcards: plan.evaluation(config, wildcards.dataset)["batch_size"],
        generate=lambda wildcards: generate_flag(wildcards.dataset),
        artifact=lambda wildcards, input: f"--artifact {input.artifact}" if input.get("artifact") else "",
        checkpoint=checkpoint_options,
        out=subpath(output.run, parent=True),
    message:
        "Editing {wildcards.model} with {wildcards.editor} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m wise stream --records {input.records} --train {input.train} {params.model}"
        " --contexts {input.contexts} --preedit {input.preedit} {params.place}"
        " --editor {params.editor} --options {params.options:q}"
        " --layer {params.layer} --edits {params.edits} --seed {wildcards.seed} --grid {params.grid:q}"
        " --batch-size {params.batch_size} {params.generate} {params.artifact} {params.checkpoint} --out {params.out} 2> {log}"
