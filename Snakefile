# Lifelong editing of language models, from data to tables, figures and MLflow.
#     snakemake                      everything with config/default.yaml, on all cores
#     snakemake shards               one study
#     snakemake results/figures/triangle.png
from snakemake.utils import min_version

min_version("9.0")

# Not a plain `configfile`: settings of another file given on the command line would be mixed into this one.
if not workflow.configfiles:

    configfile: "config/default.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/model.smk"
include: "rules/edit_jobs.smk"
include: "rules/prepare.smk"
include: "rules/edit.smk"
include: "rules/score.smk"
include: "rules/overhead.smk"
include: "rules/trace.smk"
include: "rules/artifacts.smk"
include: "rules/report.smk"
include: "rules/tune.smk"
include: "rules/instruct.smk"
include: "rules/track.smk"
include: "rules/reproduction.smk"


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        rules.ablations.input,
        rules.claims.output,
        rules.knowledge_reports.input,
        rules.track.output.summary,
        rules.reproduction.output,


# Editors for many tasks: a target that any configuration knows. Their own has everything of it.
TASKS = "tasks" in STUDIES["include"]


rule instructedit:
    input:
        rules.all.input if TASKS else [],
    log:
        f"{R}/logs/instructedit.log",
    localrule: True
    conda:
        "envs/analysis.yaml"
    threads: workflow.cores
    params:
        run=(
            "true"
            if TASKS
            else f"{shlex.quote(sys.executable)} -m snakemake --snakefile {shlex.quote(workflow.main_snakefile)}"
            f" --cores {workflow.cores} --configfile config/instructedit.yaml"
        ),
    message:
        "The comparison of config/instructedit.yaml" if not TASKS else "Everything of this configuration"
    shell:
        "{params.run} 2>&1 | tee {log}"
