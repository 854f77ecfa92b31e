# Datasets: edit streams as JSONL of EditRecords, and corpora to pretrain on.


rule factworld:
    input:
        code=sources("wise.commands.data"),
    output:
        corpus=f"{R}/data/factworld/corpus.jsonl",
        facts=f"{R}/data/factworld/facts.jsonl",
        described=f"{R}/data/factworld/dataset.json",
        edits=expand(f"{R}/data/{{dataset}}/edits.jsonl", dataset=plan.DATASETS),
        train=expand(f"{R}/data/{{dataset}}/train.jsonl", dataset=plan.DATASETS),
        streams=expand(f"{R}/data/{{dataset}}/dataset.json", dataset=plan.DATASETS),
    log:
        f"{R}/logs/data/factworld.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1000,
    params:
        options=json.dumps(config["data"]["factworld"]),
        out=subpath(output.described, ancestor=2),
    message:
        "Making the embedded world: a corpus, its facts, and three streams of edits"
    shell:
        "python -m wise data make --dataset factworld --options {params.options:q} --out {params.out} 2> {log}"
