"""Every edit job is told where its own checkpoints are, those of studies too."""

from __future__ import annotations

import re

from tests.workflow.conftest import Workspace


def checkpoint_options(printed: str) -> dict[str, str]:
    """What follows `--checkpoint` by the folder of each job's results."""
    asked = r"--batch-size \d+ (?:--generate )?(?:--fluency \w+ )?"
    found = re.findall(rf"wise stream .*?{asked}(.*?) --out (\S+) 2>", printed)
    return {out: " ".join(given.split()) for given, out in found}


def test_every_edit_job_has_a_folder_of_checkpoints(copied: Workspace):
    given = checkpoint_options(copied.dry_run())
    assert {"results-tiny/edit/factworld-qa/tiny/grace/seed0", "results-tiny/ablations/layer/layer~1/seed0"} <= set(
        given
    )
    assert len(given) == 11, "three editors and eight points of studies"
    for out, options in given.items():
        folder = out.replace("results-tiny/", "results-tiny/checkpoints/", 1)
        assert options == f"--checkpoint {folder} --checkpoint-every 50 --on-nan fail"


def test_a_dataset_may_have_other_ones_or_none(copied: Workspace):
    config = copied.folder / "config/unchecked.yaml"
    text = (copied.folder / "config/tiny.yaml").read_text()
    own = "datasets: {factworld-qa: {checkpoint: 0, on_nan: skip}}, batch_size: 64"
    config.write_text(text.replace("batch_size: 64", own))
    printed = copied.snakemake("--dry-run", "--printshellcmds", config="config/unchecked.yaml").stdout
    assert set(checkpoint_options(printed).values()) == {"--on-nan skip"}
