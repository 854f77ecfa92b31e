"""How much of CounterFact is taught and edited."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from wise.datasets.published.options import Invalid
from wise.options import STRICT, AtLeastOne, Count, Share


@dataclass(frozen=True, config=STRICT)
class CounterFactCorpusOptions:
    """Counts of records and wordings."""

    seed: int = 0
    """Seed of the draw of records and wordings."""
    edits: AtLeastOne = 1000
    """Records of the edit stream."""
    development: AtLeastOne = 200
    """Records on which options are chosen; the model is taught their facts, too."""
    train: AtLeastOne = 500
    """Records set aside to prepare editors; the model is taught their facts, too."""
    far: AtLeastOne = 400
    """Records that lend their neighbours' facts, which the model is taught, as far locality: four in five beside the
    stream, the rest beside development."""
    wordings: AtLeastOne = 4
    """Wordings in which the corpus states a fact, the record's own prompt among them."""
    before_share: Share = 0.25
    """Share of the statements behind an unrelated sentence, as a sixth of the rephrased prompts are."""
    sentences: Count = 100
    """Different sentences for that, from records outside the edit stream."""
    files: str = ""
    """Folder of downloaded raw files; empty for `raw` beside the datasets made."""
    local_dir: str = ""
    """Folder with copies of raw files, looked at before anything is downloaded; empty for none."""
    offline: bool = False
    """Never download; a missing file is an error that says where to put it."""
    invalid: Invalid = "skip"
    """What a faulty record does: `stop` names it, `skip` counts it and leaves it out."""
