# What editors need beside the edits: covariances, hypernetworks, classifiers. Made once for each dataset and model from
# the training records, and used by every seed and every T.


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
        mem_mb=3000,
    params:
        code=lambda wildcards: editor_code("prepare", plan.artifact_editor(config, wildcards.artifact)),
        model=lambda wildcards: model_options(wildcards.model),
        editor=lambda wildcards: plan.artifact_editor(config, wildcards.artifact),
        options=lambda wildcards: json.dumps(
            plan.options(config, wildcards.dataset, wildcards.model, plan.artifact_editor(config, wildcards.artifact))
        ),
        layer=lambda wildcards: layer_option(
            plan.layer(config, wildcards.dataset, wildcards.model, plan.artifact_editor(config, wildcards.artifact))
        ),
    message:
        "Preparing {wildcards.artifact} of {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m wise prepare --train {input.train} {params.model} --contexts {input.contexts}"
        " --editor {params.editor} --options {params.options:q} {params.layer} --out {output.artifact} 2> {log}"
