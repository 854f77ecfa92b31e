# Base models: trained here, fetched from a hub or converted; what they know, and the prefixes that they write.


rule fetch_model:
    output:
        folder=directory(f"{R}/hub/{{model}}"),
    log:
        f"{R}/logs/fetch/{{model}}.log",
    wildcard_constraints:
        model="|".join(FETCHED) or "$^",
    localrule: True
    conda:
        "../envs/model.yaml"
    resources:
        mem_mb=1000,
    params:
        name=lambda wildcards: config["models"][wildcards.model]["path"],
        revision=lambda wildcards: (
            f"--revision {shlex.quote(config['models'][wildcards.model]['revision'])}"
            if config["models"][wildcards.model]["revision"]
            else ""
        ),
    message:
        "Fetching {params.name}"
    shell:
        "HF_HUB_OFFLINE=0 python -m wise fetch --model {params.name:q} {params.revision} --out {output.folder} 2> {log}"


rule convert_model:
    input:
        file=lambda wildcards: config["models"][wildcards.model]["path"] or [],
    output:
        folder=directory(f"{R}/models/{{model}}"),
    log:
        f"{R}/logs/convert/{{model}}.log",
    wildcard_constraints:
        model="|".join(CONVERTED) or "$^",
    localrule: True
    conda:
        "../envs/gguf.yaml"
    resources:
        mem_mb=4000,
    params:
        code=code("wise.commands.convert"),
        source=lambda wildcards: gguf_options(config["models"][wildcards.model]),
    message:
        "Converting {wildcards.model} from GGUF"
    shell:
        "python -m wise convert {params.source} --out {output.folder} 2> {log}"


rule pretrain:
    input:
        corpus=lambda wildcards: f"{R}/data/{config['models'][wildcards.model]['corpus']}/corpus.jsonl",
    output:
        folder=directory(f"{R}/models/{{model}}"),
        report=f"{R}/models/{{model}}.training.json",
    log:
        f"{R}/logs/pretrain/{{model}}.log",
    benchmark:
        f"{R}/benchmarks/pretrain/{{model}}.tsv"
    wildcard_constraints:
        model="|".join(PRETRAINED) or "$^",
    conda:
        "../envs/model.yaml"
    threads: 2
    resources:
        **needs("pretrain"),
    params:
        code=code("wise.commands.pretrain"),
        options=lambda wildcards: json.dumps(config["models"][wildcards.model]["pretrain"]),
        seed=lambda wildcards: config["models"][wildcards.model]["seed"],
        device=lambda wildcards: config["models"][wildcards.model]["device"],
        checkpoint=f"{R}/checkpoints/models/{{model}}",
    message:
        "Training {wildcards.model} on the corpus of facts"
    shell:
        # Threads that spin while they wait crawl when another process wants the core.
        "OMP_WAIT_POLICY=passive python -m wise pretrain --corpus {input.corpus} --options {params.options:q}"
        " --seed {params.seed} --device {params.device:q} --checkpoint {params.checkpoint}"
        " --out {output.folder} --report {output.report} 2> {log}"


rule knowledge:
    input:
        facts=lambda wildcards: f"{R}/data/{config['models'][wildcards.model]['corpus']}/facts.jsonl",
        folder=f"{R}/models/{{model}}",
    output:
        report=f"{R}/models/{{model}}.knowledge.json",
    log:
        f"{R}/logs/knowledge/{{model}}.log",
    benchmark:
        f"{R}/benchmarks/knowledge/{{model}}.tsv"
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("knowledge"),
    params:
        code=code("wise.commands.knowledge"),
        model=lambda wildcards: model_options(wildcards.model),
        batch_size=config["evaluation"]["batch_size"],
    message:
        "Asking {wildcards.model} for every fact before any edit"
    shell:
        "python -m wise knowledge --facts {input.facts} {params.model} --batch-size {params.batch_size}"
        " --out {output.report} 2> {log}"


rule knowledge_reports:
    input:
        expand(rules.knowledge.output.report, model=PRETRAINED),
    message:
        "Knowledge of every model that was trained here"


rule contexts:
    input:
        folder=model_folder,
    output:
        contexts=f"{R}/contexts/{{model}}.json",
    log:
        f"{R}/logs/contexts/{{model}}.log",
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("contexts"),
    params:
        code=code("wise.commands.contexts"),
        model=lambda wildcards: model_options(wildcards.model),
        prefixes=config["contexts"]["count"],
        length=config["contexts"]["length"],
        seed=config["contexts"]["seed"],
    message:
        "Letting {wildcards.model} write the random prefixes of edit prompts"
    shell:
        "python -m wise contexts {params.model} --seed {params.seed} --count {params.prefixes} --length {params.length}"
        " --out {output.contexts} 2> {log}"


rule preedit:
    input:
        records=lambda wildcards: f"{R}/data/{wildcards.dataset}/{RECORDS[records_asked(wildcards)[0]]}.jsonl",
        folder=model_folder,
    output:
        answers=f"{R}/preedit/{{dataset}}/{{model}}/{{records}}.parquet",
    log:
        f"{R}/logs/preedit/{{dataset}}/{{model}}/{{records}}.log",
    benchmark:
        f"{R}/benchmarks/preedit/{{dataset}}/{{model}}/{{records}}.tsv"
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        **needs("preedit"),
    params:
        code=code("wise.commands.preedit"),
        model=lambda wildcards: model_options(wildcards.model),
        edits=lambda wildcards: plan.available(config, wildcards.dataset, records_asked(wildcards)[0]),
        part=lambda wildcards: slice_option(slice_asked(wildcards)),
        batch_size=lambda wildcards: plan.evaluation(config, wildcards.dataset)["batch_size"],
        generate=lambda wildcards: "--generate" if plan.evaluation(config, wildcards.dataset)["generate"] else "",
    message:
        "Asking {wildcards.model} the questions of {wildcards.dataset} ({wildcards.records}) before any edit"
    shell:
        "python -m wise preedit --records {input.records} --edits {params.edits}{params.part} {params.model}"
        " --batch-size {params.batch_size} {params.generate} --out {output.answers} 2> {log}"
