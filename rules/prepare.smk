# What editors need beside the edits: covariances, hypernetworks, classifiers. Made once for each dataset and model from
# the training records, and used by every seed and every T; a trained network also once for each set of its options.


rule prepare:
    input:
        train=f"{R}/data/{{dataset}}/train.jsonl",
        contexts=f"{R}/contexts/{{model}}.json",
        folder=model_folder,
    output:
        artifact=f"{R}/prepared/{{dataset}}/{{model}}/{{artifact}}.safetensors",
    log:
        f"{R}/logs/prepare/{{dataset}}/{{model}}/{{artifact}}.log",
    benchmark:
        f"{R}/benchmarks/prepare/{{dataset}}/{{model}}/{{artifact}}.tsv"
    priority: 20
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("prepare"),
    params:
        code=lambda wildcards: editor_code("prepare", artifact_job(wildcards).editor),
        model=lambda wildcards: model_options(wildcards.model),
        editor=lambda wildcards: artifact_job(wildcards).editor,
        options=lambda wildcards: json.dumps(artifact_job(wildcards).options),
        layer=lambda wildcards: layer_option(artifact_job(wildcards).layer),
    message:
        "Preparing {wildcards.artifact} of {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m wise prepare --train {input.train} {params.model} --contexts {input.contexts}"
        " --editor {params.editor} --options {params.options:q} {params.layer} --out {output.artifact} 2> {log}"


rule edit_areas:
    input:
        records=f"{R}/data/{{dataset}}/edits.jsonl",
        contexts=f"{R}/contexts/{{model}}.json",
        folder=model_folder,
        artifact=rules.prepare.output.artifact,
    output:
        areas=f"{R}/areas/{{dataset}}/{{model}}/{{artifact}}.parquet",
    log:
        f"{R}/logs/areas/{{dataset}}/{{model}}/{{artifact}}.log",
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("edit_areas"),
    params:
        code=lambda wildcards: editor_code("areas", artifact_job(wildcards).editor),
        model=lambda wildcards: model_options(wildcards.model),
        editor=lambda wildcards: artifact_job(wildcards).editor,
        options=lambda wildcards: json.dumps(artifact_job(wildcards).options),
        layer=lambda wildcards: layer_option(artifact_job(wildcards).layer),
        edits=STUDIES["areas"]["edits"],
    message:
        "Asking {wildcards.artifact} where edits of {wildcards.dataset} lie"
    shell:
        "python -m wise areas --records {input.records} --edits {params.edits} {params.model}"
        " --contexts {input.contexts} --editor {params.editor} --options {params.options:q} {params.layer}"
        " --artifact {input.artifact} --out {output.areas} 2> {log}"
