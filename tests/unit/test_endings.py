"""What follows the target: how it is measured, and how WISE lets the unedited model go on there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import STREAM, edited, ready
from wise.editors.wise.answer_end import AnswerEnd, nearness
from wise.evaluate.ask import before_by_question, preedit_rows
from wise.evaluate.free import ENDING_TOKENS, free_answers, own_endings
from wise.evaluate.grid import plan_runs
from wise.evaluate.measures import ends, said_again, same_beginning
from wise.evaluate.scores import score_transcript
from wise.evaluate.stream import Stream
from wise.lm.answer import answer_pairs
from wise.lm.generate import generate_tokens


def test_an_answer_ends_at_a_stop():
    texts = [" Paris Paris", ", a city. It", "\n\nNext", "", None]
    assert ends(texts, [False, False, False, True, None]).tolist()[:4] == [0, 1, 1, 1]
    assert np.isnan(ends(texts, [None] * 5)[4])
    assert said_again([" Hill Hill", ", the Hillside", None], ["Port Hill"] * 3).tolist()[:2] == [1, 0]
    assert same_beginning([", a", "", " The", None], [", b", "", "\nthe", "x"]).tolist()[:3] == [1, 1, 0]
    assert np.isnan(same_beginning([" a", " a", float("nan")], [None, float("nan"), " a"])).all()


def test_the_ending_of_an_answer_that_the_model_gives_by_itself_is_its_own():
    lm = tiny_language_model()
    prompts = [record.prompt for record in STREAM]
    first = [lm.tokenizer.decode(row[:1]) for row in generate_tokens(lm, prompts, 1)]
    free, own = free_answers(lm, prompts, first), own_endings(lm, prompts, first)
    for answer, ending in zip(free, own, strict=True):
        assert answer.ending is not None
        assert (answer.ending.text, answer.ending.stopped) == (ending.text, ending.stopped)
        assert answer.ending.nll == pytest.approx(ending.nll, abs=1e-5)
        assert 0 < len(ending.nll) <= ENDING_TOKENS
    following = answer_pairs(lm, [f"{prompts[0]} {first[0]}"], [own[0].text])[0]
    assert following.nll == pytest.approx(own[0].nll[: len(following.nll)], abs=1e-5)
    other = [lm.tokenizer.decode((row[0] + 1) % 20 + 4) for row in generate_tokens(lm, prompts, 1)]
    assert [answer.ending for answer in free_answers(lm, prompts, other)] == [None] * len(prompts)


def test_endings_are_scored_beside_those_of_the_unedited_model():
    lm = tiny_language_model()
    before = before_by_question(pd.DataFrame(preedit_rows(lm, STREAM, generate=True)))
    stream = Stream(edited("wise-retrieve", count=0), STREAM, before, generate=True)
    stream.carry_out(plan_runs({3: 1}, 3))
    scores = score_transcript(pd.DataFrame(stream.rows), {"dataset": "d", "model": "m", "editor": "e", "seed": 0})
    values = scores.set_index(["metric", "record"])["value"]
    begun = {row["record"] for row in stream.rows if row["ending"] is not None}
    assert begun and all(row["kind"] == "edit" for row in stream.rows if row["before_ending"] is not None)
    for metric in ("stops", "stops_before", "repeats", "goes_on", "ending_nll", "ending_nll_before"):
        assert set(values[metric].index) == begun
    assert values["ending_nll_before"].lt(values["ending_nll"] + 1.0).all(), "what a model writes itself is likely"


def test_the_nearest_key_is_found_in_the_metric():
    draw = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=draw)
    metric = root @ root.T
    keys, x = torch.randn(5, 6, generator=draw), torch.randn(7, 6, generator=draw)
    rows = nearness(keys, metric)
    values = x @ rows[:, :-1].T + rows[:, -1]
    difference = x[:, None] - keys
    apart = ((difference @ metric) * difference).sum(-1)
    assert torch.equal(values.argmax(1), apart.argmin(1))
    assert torch.equal(values.amax(1) > 0, apart.amin(1) < ((x @ metric) * x).sum(-1))
    end = AnswerEnd(rows[:2], rows[2:])
    assert end.answered(keys).tolist() == [True, True, False, False, False]
    assert not AnswerEnd(rows[:0], rows).answered(keys).any()


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_the_target_comes_first_and_the_unedited_model_goes_on(family):
    editor = edited("wise-retrieve", family, count=1)
    lm, target = editor.lm, len(editor.tools.end(editor.rows(STREAM[0], 0)).rest) + 1
    memory = editor.bank.served()[0]
    moved = []
    handle = editor.site.module.register_forward_hook(lambda m, args, out: moved.append(args[0][0, -1]))
    with torch.no_grad():
        answer = generate_tokens(lm, [STREAM[0].prompt], target + 4)[0]
    handle.remove()
    assert lm.tokenizer.decode(answer[:target]) == STREAM[0].target
    answered = [bool(memory.end.answered(inner)) for inner in moved[1:]]
    assert answered[: target - 1] == [True] * (target - 1), "the memory answers up to the last token"
    assert not answered[target - 1], "at the last token of the target the unedited model goes on"


def test_a_memory_that_was_not_told_where_answers_end_answers_everywhere():
    editor = edited("wise-retrieve", count=2)
    state = {k: v for k, v in editor.state().items() if not k.endswith((".rest", ".ends"))}
    other = ready("wise-retrieve")
    other.restore(editor.edits, state)
    assert editor.bank.served()[0].end is not None and other.bank.served()[0].end is None
    always = edited("wise-retrieve", count=2, until="always")
    assert always.bank.served()[0].end is None and torch.equal(
        always.bank.served()[0].delta, editor.bank.served()[0].delta
    )
