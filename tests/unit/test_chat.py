"""A chat model is asked in its template: one user's turn, the target as the assistant's text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import wise
from tests.models import tiny_language_model, tiny_tokenizer
from wise.editors.locate.request import build_request
from wise.editors.registry import make_editor
from wise.editors.wise.rows import subject_span
from wise.errors import ConfigError, DataError
from wise.lm.answer import answer_pairs
from wise.lm.batch import collate, encode, encode_prompts
from wise.lm.chat import ChatTemplate
from wise.lm.generate import generate_answers
from wise.lm.load import LanguageModel, wrap
from wise.memory.store import load_into
from wise.records import EditRecord

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %} the person . {{ m.content | trim }} ? "
    "{% else %}for {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}for {% endif %}"
)
"""As common ones are: its own first token, trimmed content, words around the question, a prompt for the answer."""

RECORD = EditRecord("e", "Ada was born in", "Port Hill", "Ada", irrelevant="Bo lives in the city")


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    plain = tiny_language_model()
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    return wrap(plain.model, tokenizer, "tiny-chat", chat=True)


def words(lm: LanguageModel, ids) -> str:
    return lm.tokenizer.decode(ids)


def test_a_prompt_is_a_users_turn_and_the_target_the_assistants(lm):
    (encoded,) = encode(lm, ["Ada was born in"], ["Port Hill"])
    assert words(lm, encoded.ids[: encoded.start]) == "<bos> the person . Ada was born in ? for"
    assert words(lm, encoded.target) == "Port Hill"
    (prompt,) = encode_prompts(lm, ["Ada was born in"])
    assert prompt.ids == encoded.ids[: encoded.start]
    assert [lm.tokenizer.bos_token_id] == [i for i in encoded.ids if i == lm.tokenizer.bos_token_id]


LLAMA_2 = "{% for m in messages %}{{ '[' + m.content + ']' if m.role == 'user' else ' ' + m.content }}{% endfor %}"
CHATML = (
    "{% for m in messages %}{{ m.role + ':' + m.content + ';' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


@pytest.mark.parametrize(("template", "lead"), [(LLAMA_2, " "), (CHATML, "")])
def test_what_a_template_writes_in_front_of_the_answer_is_written(template: str, lead: str):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    assert ChatTemplate.of(tokenizer, "x").lead == lead


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template"),
        ("{{ raise_exception('system first') }}", "system first"),
        ("{{ messages[0].content | upper }}", "does not repeat the question"),
    ],
)
def test_a_template_that_cannot_be_used_is_named(template: str | None, message: str):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(ConfigError, match=message):
        wrap(tiny_language_model().model, tokenizer, "x", chat=True)


def test_prefixes_stand_inside_the_turn(lm):
    editor = make_editor("ft-m", lm, 1, {"context_prefixes": 1}, ["Bo lives ."])
    _, prefixed = editor.encoded_rows(RECORD, 1)
    assert words(lm, prefixed.ids) == "<bos> the person . Bo lives . Ada was born in ? for Port Hill"


def test_the_subjects_tokens_are_found(lm):
    prompts = [RECORD.prompt, f"Bo . {RECORD.prompt}"]
    request = build_request(lm, RECORD, prompts, "subject_last", neighbour=True)
    found = request.batch.input_ids[torch.arange(3), request.token]
    assert [words(lm, [i]) for i in found] == ["Ada", "Ada", "Ada"]
    request = build_request(lm, RECORD, prompts, "prompt_last", neighbour=True)
    assert [words(lm, [i]) for i in request.batch.input_ids[torch.arange(3), request.token]] == ["for"] * 3
    batch = collate(encode(lm, prompts, [RECORD.target] * 2), lm.tokenizer.pad_token_id)
    span = subject_span(lm, prompts, RECORD.target, "born in", batch)
    assert [words(lm, row[inside]) for row, inside in zip(batch.input_ids, span, strict=True)] == ["born in"] * 2


def test_free_answers_continue_the_assistants_turn(lm):
    (answer,) = generate_answers(lm, ["Ada was born in"], 4)
    ids = torch.tensor([encode_prompts(lm, ["Ada was born in"])[0].ids])
    new = lm.model.generate(input_ids=ids, max_new_tokens=4, do_sample=False)[0, ids.shape[1] :]
    assert answer == lm.tokenizer.decode(new, skip_special_tokens=True)
    teacher = answer_pairs(lm, ["Ada was born in"], ["Hill"])[0].predicted_tokens
    assert teacher == new[:1].tolist()


def test_a_context_too_short_counts_the_template(lm):
    prompt = " ".join(["Hill"] * 60)
    assert len(encode(replace(lm, template=None), [prompt], ["East"])) == 1
    with pytest.raises(DataError, match="the context holds 64"):
        encode(lm, [prompt], ["East"])


def test_a_memory_remembers_how_it_was_asked(lm, tmp_path):
    own = (lm.model, lm.tokenizer)
    with wise.attach(own, "ft-m", layer=1, contexts=(), steps=2, chat=True) as editor:
        editor.edit("Ada was born in", "Port Hill")
        answers = editor.ask("Ada was born in")
        editor.save_pretrained(tmp_path / "memory")
        editor.save_pretrained(tmp_path / "again")
    with wise.load(tmp_path / "memory", own) as editor:
        assert editor.editor.lm.chat and editor.ask("Ada was born in") == answers
    plain = wise.attach(own, "ft-m", layer=1, contexts=(), steps=2)
    with plain, pytest.raises(ConfigError, match="in the model's chat template"):
        load_into(plain.editor, tmp_path / "memory")
