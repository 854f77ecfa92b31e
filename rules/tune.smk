# Options of editors, searched on development edits with one budget for all. Not part of a plain run, which reads the
# file that `snakemake tune` has written and that is committed with the configuration.


# What the configuration names, or a file with its name.
TUNED = config["tuned"] or f"config/tuned/{Path((workflow.configfiles or ['default'])[0]).stem}.yaml"


rule search:
    input:
        records=f"{R}/data/{{dataset}}/development.jsonl",
        train=f"{R}/data/{{dataset}}/train.jsonl",
        contexts=f"{R}/contexts/{{model}}.json",
        folder=model_folder,
    output:
        outcome=f"{R}/tuned/{{dataset}}/{{model}}/{{editor}}.json",
    log:
        f"{R}/logs/tuned/{{dataset}}/{{model}}/{{editor}}.log",
    benchmark:
        f"{R}/benchmarks/tuned/{{dataset}}/{{model}}/{{editor}}.tsv"
    priority: lambda wildcards: 10 if KNOWN_EDITORS[wildcards.editor].slow else 0
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("search"),
    params:
        code=lambda wildcards: editor_code("tune", wildcards.editor),
        job=lambda wildcards: search_options(wildcards),
        # No output: it would be deleted when the job is cut short, and holds the trials that were made by then.
        trials=f"{R}/checkpoints/tuned/{{dataset}}/{{model}}/{{editor}}.db",
    message:
        "Searching options of {wildcards.editor} on {wildcards.dataset}, {wildcards.model}"
    shell:
        "python -m wise tune --records {input.records} --train {input.train} --contexts {input.contexts} {params.job}"
        " --trials {params.trials} --out {output.outcome} 2> {log}"


rule tune:
    input:
        searches=searches(),
        shown=outputs_of(name for name, artifact in ARTIFACTS.items() if artifact.category == TUNING),
    log:
        f"{R}/logs/tuned/adopt.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        # Committed by people: no output, which a failure would delete, and whose absence would stop every run.
        file=TUNED,
    message:
        "Writing the chosen options to {params.file}"
    shell:
        "python -m wise adopt --searches {input.searches} --out {params.file:q} 2> {log}"
