# From an entry of analysis/artifacts.py to the inputs, outputs and options of its rule.


def artifact_inputs(artifact):
    """Files that an artifact is made from, by the names of options of `python -m analysis`."""
    runs = runs_of(artifact.name)
    files = dict(
        scores=map(scores_of, runs),
        transcripts=(f"{run}/transcript.parquet" for run in runs),
        runs=(f"{run}/run.json" for run in runs),
        overhead=rules.measure_overhead.output,
        tracing=rules.trace.output,
        searches=searches(),
        rounds=chosen_sentences(),
        records=records_of(artifact.name),
        areas=networks_of(artifact.name),
    )
    inputs = {kind: list(files[kind]) for kind in artifact.reads if kind in files}
    if studies := studies_of(artifact):
        inputs["studies"] = [
            file for folder in chain(*studies.values()) for file in (scores_of(folder), f"{folder}/run.json")
        ]
    if "studies" in artifact.reads:
        if "overhead" in STUDIES["include"]:
            inputs["overhead"] = rules.measure_overhead.output
        if "areas" in STUDIES["include"]:
            inputs["areas"] = networks_of("areas")
    study = KNOWN_STUDIES[artifact.name] if artifact.name in KNOWN_STUDIES else None
    if study is not None and study.reference in EDITORS:
        place = dict(dataset=STUDY_DATASET, model=STUDY_MODEL, editor=study.reference)
        inputs["reference_scores"] = main_runs(rules.score.output.scores, **place)
    return inputs


def records_of(name):
    """The edits of every dataset that an artifact is made from."""
    study = KNOWN_STUDIES[name] if name in KNOWN_STUDIES else None
    edited = study is not None and study.is_edited
    points = jobs.study_points(config, name).values() if edited else []
    datasets = dict.fromkeys(point.dataset for point in points) or config["datasets"]
    return [f"{R}/data/{dataset}/edits.jsonl" for dataset in datasets]


def networks_of(name):
    """Where edits lie for every network that a study looks at; none for another study."""
    study = KNOWN_STUDIES[name] if name in KNOWN_STUDIES else None
    if study is None or not isinstance(study.runs, Networks):
        return []
    points = [point for other in study.runs.studies for point in jobs.study_points(config, other).items()]
    edited = [
        jobs.study_job(config, path.split("/")[0], point)
        for path, point in points
        if point.seed == STUDIES[name]["seed"] and point.editor in EDITORS
    ]
    return list(
        dict.fromkeys(
            f"{R}/areas/{job.dataset}/{job.model}/{jobs.artifact_name(config, job)}.parquet" for job in edited
        )
    )


def artifact_outputs(artifact):
    """Its tables and figures; the report shows CSV and PNG, papers take LaTeX and PDF."""
    shown = dict(caption="../report/artifact.rst", category=artifact.category)
    tables = [f"{R}/tables/{artifact.stem}.{suffix}" for suffix in artifact.tables]
    figures = [f"{R}/figures/{artifact.stem}.{suffix}" for suffix in ("pdf", "png") if artifact.figure]
    outputs = dict(
        table=[report(path, **shown) if path.endswith(".csv") else path for path in tables],
        figure=[report(path, **shown) if path.endswith(".png") else path for path in figures],
    )
    return {kind: files for kind, files in outputs.items() if files}


def caption_of(artifact):
    """Its caption, with values of the section of its study."""
    section = STUDIES[artifact.name] if artifact.name in KNOWN_STUDIES else {}
    shown = {key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in section.items()}
    return artifact.caption.format(**shown)


def analysis_options(artifact, input):
    """Input files as options of `python -m analysis`; runs of studies are named by their folders."""
    options = [f"--{kind.replace('_', '-')} {files}" for kind, files in input.items() if kind != "studies"]
    if "studies" in input.keys():
        options += [f"--study {name} {' '.join(folders)}" for name, folders in studies_of(artifact).items()]
        options += [f"--place {STUDY_DATASET} {STUDY_MODEL}"]
    if "studies" in artifact.reads:  # the ledger, whether studies are included or not
        levels = [f"{name}={level(name, model)}" for name, model in config["models"].items()]
        options += [f"--levels {' '.join(levels)}"]
    return " ".join(options)


def studies_of(artifact):
    """Folders of the runs of the studies that an artifact also reads, by name: its own, or all included ones."""
    names = STUDIES["include"] if "studies" in artifact.reads else artifact.studies
    return {name: runs_of(name) for name in names if KNOWN_STUDIES[name].is_edited}


def outputs_of(names):
    """Files of some artifacts."""
    return [file for name in names for file in getattr(rules, name).output]
