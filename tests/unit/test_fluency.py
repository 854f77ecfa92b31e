"""Texts for fluency: how long they are, behind which prompts they are written, and how their number is described."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.models import tiny_language_model
from tests.tiny_edits import STREAM, edited
from wise.evaluate.ask import before_by_question, preedit_rows
from wise.evaluate.fluency import TEXT_TOKENS, asked_of, long_texts
from wise.evaluate.free import generation_settings
from wise.evaluate.grid import plan_runs
from wise.evaluate.measures import ngram_entropy
from wise.evaluate.metrics import METRICS
from wise.evaluate.protocol import described
from wise.evaluate.scores import score_transcript
from wise.evaluate.stream import Stream
from wise.lm.generate import continue_tokens, prompt_tokens
from wise.records import WANTED, Probe

OPINION = replace(STREAM[0], probes=(*STREAM[0].probes, Probe("opinion", STREAM[0].prompt, STREAM[0].target, WANTED)))
EDITS = [OPINION, *STREAM[1:]]
ROOM = TEXT_TOKENS + 28
"""Positions of a context that holds a prompt and a text; rotary positions have no end of their own."""


def written(name: str, fluency: str, generate: bool = False) -> list[dict]:
    """Rows about edits of a stream of all edits."""
    editor = edited(name, count=0)
    editor.lm.model.config.max_position_embeddings = ROOM
    before = before_by_question(pd.DataFrame(preedit_rows(editor.lm, EDITS)))
    stream = Stream(editor, EDITS, before, generate=generate, fluency=fluency)
    stream.carry_out(plan_runs({len(EDITS): 1}, len(EDITS)))
    return stream.rows


def test_texts_go_past_the_end_token_to_their_full_length():
    lm = tiny_language_model()
    prompts = prompt_tokens(lm, [record.prompt for record in STREAM])
    [first] = {row[0] for row in continue_tokens(lm, prompts[:1], 1)}
    lm.tokenizer.eos_token = lm.tokenizer.convert_ids_to_tokens(first)  # so that the answer ends with its first token
    assert set(continue_tokens(lm, prompts[:1], 20)[0][1:]) <= {lm.tokenizer.pad_token_id}
    past = continue_tokens(lm, prompts, 20, past_end=True)
    assert {len(row) for row in past} == {20} and past[0][0] == first
    alone = [continue_tokens(lm, [ids], 20, past_end=True)[0] for ids in prompts]
    assert past == alone


def test_a_prompt_without_room_behind_it_has_no_text_and_a_warning(caplog):
    lm = tiny_language_model()
    first, second = STREAM[0].prompt, f"{STREAM[0].prompt} {STREAM[0].prompt}"
    lm.model.config.max_position_embeddings = TEXT_TOKENS + len(prompt_tokens(lm, [first])[0])
    assert list(long_texts(lm, [first, second])) == [first]
    assert "1 of 2 prompts leave no room for 100 tokens in the context of 105" in caplog.text


def test_opinions_are_asked_and_other_edits_only_when_wanted():
    assert [asked_of(record, "opinions") for record in EDITS] == [True, False, False]
    assert [asked_of(record, "edits") for record in EDITS] == [True] * 3
    assert not any(asked_of(record, "none") for record in EDITS)


@pytest.mark.parametrize("name", ["none", "wise-retrieve", "grace", "retrieval", "ft-m"])
def test_a_stream_writes_texts_and_scores_them(name):
    rows = written(name, "opinions")
    [row] = [row for row in rows if row["longer"] is not None]
    assert (row["kind"], row["record"], row["generated"]) == ("edit", OPINION.id, None)
    scores = score_transcript(pd.DataFrame(rows), {"dataset": "d", "model": "m", "editor": name, "seed": 0})
    found = scores[scores["metric"] == "fluency"]
    assert found["record"].tolist() == [OPINION.id]
    assert found["value"].tolist() == ngram_entropy([row["longer"]]).tolist()


def test_texts_stand_beside_free_answers():
    rows = [row for row in written("wise-retrieve", "edits", generate=True) if row["kind"] == "edit"]
    assert len(rows) == len(EDITS)
    assert all(isinstance(row["generated"], str) and isinstance(row["longer"], str) for row in rows)


def test_how_texts_were_made_stands_beside_their_number():
    told = generation_settings(answers=False, fluency="opinions")
    said = described("fluency", told)
    assert (said["protocol"], said["max_new_tokens"], said["stop"]) == ("free generation", "100", "never")
    assert described("rel_generated", generation_settings(answers=True, fluency="edits"))["stop"] == "end token"
    assert described("fluency", None)["stop"] == "" and generation_settings(answers=False, fluency="none") is None


def test_a_model_that_writes_no_words_any_more_has_no_fluency():
    rows = pd.DataFrame({"longer": ["a b c d", "a a a a", ",,,", None]})
    values = METRICS["fluency"].measure(rows)
    assert values[0] > 0 and values[1:3].tolist() == [0.0, 0.0] and np.isnan(values[3])
