"""What editors need beside the edits is planned once for each model and dataset, and not for what goes without."""

from __future__ import annotations

import re

from tests.workflow.conftest import Workspace, job_counts


def with_editors(workspace: Workspace, name: str, editors: str, seeds: str = "[0, 1, 2]") -> str:
    """The tiny configuration with more editors and seeds."""
    text = (workspace.folder / "config/tiny.yaml").read_text()
    text = text.replace("  none: {}\n", f"  none: {{}}\n{editors}").replace("seeds: [0]", f"seeds: {seeds}", 1)
    (workspace.folder / f"config/{name}.yaml").write_text(text)
    return f"config/{name}.yaml"


def test_one_job_prepares_an_editor_for_all_its_seeds(copied: Workspace):
    config = with_editors(copied, "mend", "  mend: {rank: 4, iterations: 2}\n")
    assert "prepare" not in job_counts(copied.dry_run())
    printed = copied.snakemake("--dry-run", "--printshellcmds", config=config).stdout
    assert len(re.findall(r"-m wise prepare .*--editor mend ", printed)) == 1
    streams = re.findall(r"-m wise stream .*--editor mend .*--artifact (\S+) ", printed)
    assert streams == ["results-tiny/prepared/factworld-qa/tiny/mend.safetensors"] * 3
