# Datasets: edit streams as JSONL of EditRecords, and corpora to pretrain on.


rule factworld:
    input:
        code=sources("wise.commands.data"),
    output:
        corpus=f"{R}/data/factworld/corpus.jsonl",
        facts=f"{R}/data/factworld/facts.jsonl",
        described=f"{R}/data/factworld/dataset.json",
        edits=expand(f"{R}/data/{{dataset}}/edits.jsonl", dataset=plan.FACTWORLD_STREAMS),
        train=expand(f"{R}/data/{{dataset}}/train.jsonl", dataset=plan.FACTWORLD_STREAMS),
        streams=expand(f"{R}/data/{{dataset}}/dataset.json", dataset=plan.FACTWORLD_STREAMS),
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


rule download:
    output:
        # Files stay when the job is cut short, and it goes on where they end; only this mark says that they are whole.
        done=touch(f"{R}/downloads/{{dataset}}.done"),
    log:
        f"{R}/logs/data/{{dataset}}.download.log",
    wildcard_constraints:
        dataset="|".join((*plan.CONVERTED, plan.TAUGHT_CORPUS)),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=500,
    params:
        folder=subpath(output.done, parent=True),
        options=lambda wildcards: json.dumps(config["data"][wildcards.dataset]),
        local=f"--local-dir {shlex.quote(config['data']['local_dir'])}" if config["data"]["local_dir"] else "",
        offline="--offline" if config["data"]["offline"] else "",
    message:
        "Getting the published files of {wildcards.dataset}"
    shell:
        "python -m wise data fetch --dataset {wildcards.dataset} --options {params.options:q} --out {params.folder}"
        " {params.local} {params.offline} > {log} 2>&1"


rule counterfact_corpus:
    input:
        downloaded=f"{R}/downloads/{plan.TAUGHT_CORPUS}.done",
        code=sources("wise.commands.data"),
    output:
        corpus=f"{R}/data/{plan.TAUGHT_CORPUS}/corpus.jsonl",
        facts=f"{R}/data/{plan.TAUGHT_CORPUS}/facts.jsonl",
        described=f"{R}/data/{plan.TAUGHT_CORPUS}/dataset.json",
        edits=f"{R}/data/{plan.TAUGHT_STREAM}/edits.jsonl",
        train=f"{R}/data/{plan.TAUGHT_STREAM}/train.jsonl",
        stream=f"{R}/data/{plan.TAUGHT_STREAM}/dataset.json",
    log:
        f"{R}/logs/data/{plan.TAUGHT_CORPUS}.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1000,
    params:
        dataset=plan.TAUGHT_CORPUS,
        options=json.dumps(plan.dataset_options(config, plan.TAUGHT_CORPUS)),
        out=subpath(output.described, ancestor=2),
    message:
        "Making a corpus of CounterFact's true facts, and edits of them"
    shell:
        "python -m wise data make --dataset {params.dataset} --options {params.options:q} --out {params.out} 2> {log}"


rule convert:
    input:
        downloaded=rules.download.output.done,
        code=sources("wise.commands.data"),
    output:
        edits=f"{R}/data/{{dataset}}/edits.jsonl",
        train=f"{R}/data/{{dataset}}/train.jsonl",
        described=f"{R}/data/{{dataset}}/dataset.json",
    log:
        f"{R}/logs/data/{{dataset}}.log",
    wildcard_constraints:
        dataset="|".join(plan.CONVERTED),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=2000,
    params:
        options=lambda wildcards: json.dumps(plan.dataset_options(config, wildcards.dataset)),
        out=subpath(output.described, ancestor=2),
    message:
        "Making edits of {wildcards.dataset}"
    shell:
        "python -m wise data make --dataset {wildcards.dataset} --options {params.options:q} --out {params.out} 2> {log}"
