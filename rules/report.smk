# Tables and figures, made from scores, transcripts or run records, never from a model. One rule for each entry of
# analysis/artifacts.py, which has the name of its artifact: `snakemake triangle` and
# `snakemake results/figures/triangle.png` ask for the same.


# Names and colours of editors are part of what is shown.
LABELS = "wise.editors.entries"

for artifact in ARTIFACTS.values():

    rule:
        name:
            artifact.name
        input:
            unpack(lambda wildcards, shown=artifact: artifact_inputs(shown)),
        output:
            **artifact_outputs(artifact),
        log:
            f"{R}/logs/analysis/{artifact.name}.log",
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=1500,
        params:
            artifact=artifact.name,
            code=code("analysis.output", artifact.module, LABELS, data=artifact.data),
            caption=caption_of(artifact),
            files=lambda wildcards, input, shown=artifact: analysis_options(shown, input),
        message:
            f"{artifact.name}: {artifact.description}"
        shell:
            "python -m analysis {params.artifact} {params.files} --out {output} 2> {log}"


rule tables:
    input:
        outputs_of(name for name, artifact in ARTIFACTS.items() if artifact.category == MAIN and artifact.tables),
    message:
        "Tables of the main comparison"


rule figures:
    input:
        outputs_of(name for name, artifact in ARTIFACTS.items() if artifact.category == MAIN and artifact.figure),
    message:
        "Figures of the main comparison"


rule ablations:
    input:
        outputs_of(STUDIES["include"]),
    message:
        "Tables and figures of the studies that the configuration includes"
