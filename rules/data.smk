# Datasets: edit streams as JSONL of EditRecords, and corpora to pretrain on. A job that made a dataset fails where
# editors would learn from what is scored, so that nothing is edited with it (wise/datasets/leaks.py).


rule download:
    output:
        # Files stay when the job is cut short, and it goes on where they end; only this mark says that they are whole.
        done=touch(f"{R}/downloads/{{dataset}}.done"),
    log:
        f"{R}/logs/data/{{dataset}}.download.log",
    wildcard_constraints:
        dataset="|".join(registry.RAW),
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


# A dataset with several folders is made by a rule of its own name.
for name in (name for name in registry.DATASETS if registry.folders(name) != (name,)):

    rule:
        name:
            name.replace("-", "_")
        input:
            downloaded=f"{R}/downloads/{name}.done" if name in registry.RAW else [],
        output:
            described=[f"{R}/data/{folder}/dataset.json" for folder in registry.folders(name)],
            corpus=[f"{R}/data/{name}/{file}.jsonl" for file in ("corpus", "facts") if name in registry.CORPORA],
            edits=expand(f"{R}/data/{{stream}}/{{file}}.jsonl", stream=registry.streams(name), file=FILES),
        log:
            f"{R}/logs/data/{name}.log",
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=1000,
        params:
            code=dataset_code(name),
            dataset=name,
            options=json.dumps(plan.dataset_options(config, name)),
            out=lambda wildcards, output: Path(output.described[0]).parents[1],
        message:
            "Making {params.dataset}: a corpus, its facts, and edits"
        shell:
            "python -m wise data make --dataset {params.dataset} --options {params.options:q} --out {params.out} 2> {log}"


rule convert:
    input:
        files=lambda wildcards: dataset_files(wildcards.dataset),
    output:
        files=expand(f"{R}/data/{{{{dataset}}}}/{{file}}.jsonl", file=FILES),
        described=f"{R}/data/{{dataset}}/dataset.json",
    log:
        f"{R}/logs/data/{{dataset}}.log",
    wildcard_constraints:
        dataset="|".join(re.escape(name) for name in plan.streams(config) if registry.is_single(name)),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=2000,
    params:
        code=lambda wildcards: dataset_code(wildcards.dataset),
        options=lambda wildcards: json.dumps(plan.dataset_options(config, wildcards.dataset)),
        out=subpath(output.described, ancestor=2),
    message:
        "Making edits of {wildcards.dataset}"
    shell:
        "python -m wise data make --dataset {wildcards.dataset} --options {params.options:q} --out {params.out} 2> {log}"
