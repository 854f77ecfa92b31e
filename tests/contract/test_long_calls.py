"""Editors that learn all edits in one call can be cut off inside it."""

from __future__ import annotations

import pytest
import torch

from tests.closeness import TRAINED, assert_states_alike
from tests.contract.test_editors import Cut, before
from tests.tiny_edits import STREAM, ready
from wise.editors.registry import EDITORS, editor_class
from wise.errors import EditError
from wise.evaluate.checkpoint import Checkpoints
from wise.evaluate.grid import plan_runs
from wise.evaluate.stream import Stream

RUNS = plan_runs({1: 1, 3: 1}, len(STREAM))
OPTIONS = {name: {"batch": 2, "epochs": 6, "stop_loss": 0.0} for name in ("calinet", "locft-bf")}
together = pytest.mark.parametrize("name", [name for name in sorted(EDITORS) if editor_class(name).batch_editing])


def reporting(stream: Stream, hear) -> Stream:
    """The same stream; `hear` is told of each unit of work, behind the stream itself."""
    make = stream.editor.edit_all

    def edit_all(records, report):
        def both(share):
            report(share)
            hear(share)

        return make(records, both)

    stream.editor.edit_all = edit_all
    return stream


def cut_by_checkpoints(stream: Stream, folder, pieces: list[float]) -> Stream:
    """The same stream, ended by the first unit of work that a checkpoint was written behind."""
    make = stream.editor.edit_all

    def edit_all(records, report):
        def both(share):
            before = sorted(folder.iterdir())
            report(share)
            pieces.append(share)
            if sorted(folder.iterdir()) != before:
                raise Cut

        return make(records, both)

    stream.editor.edit_all = edit_all
    return stream


def stream_of(name, family="llama", **keywords) -> Stream:
    return Stream(ready(name, family, **OPTIONS.get(name, {})), STREAM, before(family), **keywords)


@together
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_call_that_is_cut_behind_each_checkpoint_ends_with_the_same_bits(name, family, tmp_path):
    """GPT-2's matrices lie transposed."""
    straight, whole, pieces = stream_of(name, family), [], []
    reporting(straight, whole.append).carry_out(RUNS)

    cuts, ended = 0, False
    while not ended:
        resumed = stream_of(name, family, checkpoints=Checkpoints(tmp_path, 1, {}))
        try:
            cut_by_checkpoints(resumed, tmp_path, pieces).carry_out(RUNS)
            ended = True
        except Cut:
            cuts += 1
    assert cuts >= 2
    assert pieces == whole, "no unit of work was done twice, nor left out"
    assert resumed.rows == straight.rows and resumed.done == straight.done == 3
    states = straight.editor.memory()
    assert all(torch.equal(value, states[key]) for key, value in resumed.editor.memory().items())
    assert [entry | {"seconds": 0} for entry in resumed.curve] == [entry | {"seconds": 0} for entry in straight.curve]


@together
def test_seconds_before_a_cut_count(name, tmp_path):
    def cut(_share):
        if list(tmp_path.iterdir()):
            raise Cut

    first = stream_of(name, checkpoints=Checkpoints(tmp_path, 2, {}))
    with pytest.raises(Cut):
        reporting(first, cut).carry_out(RUNS)
    progress = Checkpoints(tmp_path, 2, {}).latest()
    assert progress.done < progress.done + progress.part <= 3
    resumed = stream_of(name, checkpoints=Checkpoints(tmp_path, 2, {}))
    resumed._resume()
    resumed._call.seconds += 1000.0
    resumed._resume = lambda: None
    resumed.carry_out(RUNS)
    shares = 3 if resumed.editor.retrains_from_scratch else 2
    assert resumed.curve[-1]["seconds"] == pytest.approx(1000 / shares, rel=0.1)


@together
def test_another_call_does_not_take_over_what_was_begun(name):
    def stop(_share):
        raise KeyboardInterrupt

    editor = ready(name, **OPTIONS.get(name, {}))
    editor.edit(STREAM[0])
    with pytest.raises(KeyboardInterrupt):
        editor.edit_all(STREAM[1:], stop)
    assert [record.id for record in editor.edits] == ["edit-0"]
    editor.edit_all(STREAM[:0:-1])
    other = ready(name, **OPTIONS.get(name, {}))
    start = {f"weight.{site.layer}": site.weight.clone() for site in getattr(other, "sites", ())}
    start["weight"] = other.site.weight.clone()
    outcomes = other.edit_all([STREAM[0], STREAM[2], STREAM[1]])
    steps = sum(outcome.iterations for outcome in outcomes)
    # to rounding, since their texts were first met in other batches
    assert_states_alike(editor.memory(), other.memory(), start, sums=TRAINED * steps)


@together
def test_a_call_that_failed_leaves_nothing_behind(name):
    editor = ready(name, **OPTIONS.get(name, {}))
    head = editor.lm.model.get_output_embeddings().weight
    kept = head.clone()

    def spoil(_share):
        head.fill_(float("nan"))

    with pytest.raises(EditError):
        editor.edit_all(STREAM, spoil)
    head.copy_(kept)
    assert not editor.edits and not editor.memory() and not editor._work()
    assert all("work" not in key for key in editor.state())


@pytest.mark.parametrize("name", sorted(EDITORS))
def test_what_is_reported_adds_up_to_the_whole_call(name):
    shares = []
    editor = ready(name, **OPTIONS.get(name, {}))
    editor.edit(STREAM[0])
    assert editor.edit_all([], shares.append) == shares == []
    editor.edit_all(STREAM[1:], shares.append)
    assert len(shares) >= 2 and sum(shares) == pytest.approx(1.0)
