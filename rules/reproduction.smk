# One document of everything that a run made: claims, tables, figures, runs, cost and the checklist of reviewers.


rule reproduction:
    input:
        runs=RUN_FILES,
        scores=SCORE_FILES,
        made=SHOWN,
    output:
        text=f"{R}/REPRODUCTION.md",
        page=report(f"{R}/REPRODUCTION.html", caption="../report/reproduction.rst", category="Reproduction"),
    log:
        f"{R}/logs/reproduction.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1000,
    params:
        code=code("analysis.reproduction.__main__"),
        results=lambda wildcards, output: str(Path(output.text).parent),
        config=(workflow.configfiles or ["config/default.yaml"])[0],
    message:
        "Describing the run in {output.text}"
    shell:
        "python -m analysis.reproduction --results {params.results} --config {params.config:q} --runs {input.runs}"
        " --scores {input.scores} --made {input.made} --out {output.text} {output.page} 2> {log}"
