# The sentences in front of InstructEdit's edits, chosen by trial editors on development edits. Not part of a plain run,
# which reads those that are committed with the project (wise/instructions/sentences.yaml).
INSTRUCTED = expand(
    f"{R}/instructions/{{place}}",
    place=[f"{dataset}/{model}" for dataset, model in plan.pairs(config) if "instructedit" in EDITORS],
)


rule choose_sentences:
    input:
        records=f"{R}/data/{{dataset}}/development.jsonl",
        train=f"{R}/data/{{dataset}}/train.jsonl",
        contexts=f"{R}/contexts/{{model}}.json",
        folder=model_folder,
    output:
        rounds=f"{R}/instructions/{{dataset}}/{{model}}/rounds.json",
        sentences=f"{R}/instructions/{{dataset}}/{{model}}/sentences.yaml",
    log:
        f"{R}/logs/instructions/{{dataset}}/{{model}}.log",
    benchmark:
        f"{R}/benchmarks/instructions/{{dataset}}/{{model}}.tsv"
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        code=lambda wildcards: editor_code("instruct", "instructedit"),
        job=instruct_options,
    message:
        "Choosing sentences of instructions on {wildcards.dataset}, {wildcards.model}"
    shell:
        "python -m wise instruct --records {input.records} --train {input.train} --contexts {input.contexts}"
        " {params.job} --out {output.rounds} --sentences {output.sentences} 2> {log}"


rule instruct:
    input:
        expand("{folder}/{file}", folder=INSTRUCTED, file=["rounds.json", "sentences.yaml"]),
        outputs_of(name for name, artifact in ARTIFACTS.items() if artifact.category == INSTRUCTING),
    message:
        "Sentences of instructions, and every round of their choice"
