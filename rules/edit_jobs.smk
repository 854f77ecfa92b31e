# What edit jobs are told: those of the main comparison, and those of studies, see wise/config/jobs.py. On a cluster every
# job reads these rules, so what goes through all jobs of a run is computed only where it is asked for.
POINTS = {path: (study, point) for study in KNOWN_STUDIES for path, point in jobs.study_points(config, study).items()}


@cache
def own_artifacts():
    """Networks that a seed, or a study with other options of training, has for itself."""
    return jobs.artifact_jobs(config, jobs.every_edit_job(config))


def artifact_job(wildcards):
    """What a job that prepares an editor is told: the editor, its options and its layer."""
    key = (wildcards.dataset, wildcards.model, wildcards.artifact)
    return own_artifacts()[key] if key in own_artifacts() else jobs.shared_artifact(config, *key)


def job_of(wildcards):
    """What the edit job of a main run, or of a point of a study, is told."""
    if "point" not in wildcards.keys():
        return main_job(wildcards.dataset, wildcards.model, wildcards.editor, int(wildcards.seed))
    return study_job(f"{wildcards.study}/{wildcards.point}")


@cache
def main_job(dataset, model, editor, seed):
    """Inputs and parameters ask for the same job several times."""
    return jobs.main_job(config, dataset, model, editor, seed)


@cache
def study_job(path):
    """The job of a point of a study, by its folder."""
    if path not in POINTS:
        raise unknown("point of a study", path, POINTS)
    return jobs.study_job(config, *POINTS[path])


def edit_inputs(wildcards):
    """Files that an edit job reads; most editors need no artifact."""
    job = job_of(wildcards)
    artifact = jobs.artifact_name(config, job)
    return dict(
        records=f"{R}/data/{job.dataset}/{RECORDS[job.records]}.jsonl",
        train=f"{R}/data/{job.dataset}/train.jsonl",
        contexts=f"{R}/contexts/{job.model}.json",
        preedit=f"{R}/preedit/{job.dataset}/{job.model}/{asked_records(job)}.parquet",
        folder=model_input(job.model),
        artifact=f"{R}/prepared/{job.dataset}/{job.model}/{artifact}.safetensors" if artifact else [],
    )


def asked_records(job):
    """Which records the unedited model was asked about for a job: those of a seed, or those that all seeds edit."""
    seed = "shared" if job.part is None else f"seed{job.seed}"
    return seed if job.records == STREAM else f"{job.records}-{seed}"


def edit_options(wildcards):
    """What the job is told beside its files; a change of it repeats the job."""
    job = job_of(wildcards)
    batch_size = plan.evaluation(config, job.dataset)["batch_size"]
    return (
        f"{model_options(job.model)} --dataset {job.dataset} --model-name {job.model} --editor {job.editor}"
        f" --options {shlex.quote(json.dumps(job.options))}{layer_option(job.layer)} --edits {job.edits} --seed {job.seed}"
        f"{slice_option(job.part)}"
        f" --grid {shlex.quote(json.dumps(job.grid))} --batch-size {batch_size}{' --generate' if job.generate else ''}"
        f"{f' --kind {job.records}' if job.records != STREAM else ''}{f' --tuned {job.tuned}' if job.tuned else ''}"
        f"{' --oracle' if job.oracle else ''}{'' if job.fluency == 'none' else f' --fluency {job.fluency}'}"
    )


def checkpoint_options(wildcards, output):
    """Where the job writes checkpoints, and what it does with an edit that fails."""
    asked = plan.evaluation(config, job_of(wildcards).dataset)
    folder = Path(R, "checkpoints", Path(output.run).parent.relative_to(R))
    where = f"--checkpoint {folder} --checkpoint-every {asked['checkpoint']} " if asked["checkpoint"] else ""
    return f"{where}--on-nan {asked['on_nan']}"
