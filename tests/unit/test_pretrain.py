"""Tokenizer, packing and training of the embedded model, on a world small enough for seconds."""

import json
from dataclasses import replace

import pytest
import torch

from wise.datasets.factworld import FactWorldOptions, make
from wise.errors import ConfigError, DataError, WiseError
from wise.lm.answer import answer_pairs
from wise.lm.knowledge import ASPECTS, knowledge_report, read_questions
from wise.lm.load import load_language_model
from wise.lm.packing import CorpusText, pack, read_corpus, tokenize
from wise.lm.pretrain import (
    PretrainOptions,
    build_model,
    pretrain,
    save_pretrained,
)
from wise.lm.tokenizer import train_tokenizer
from wise.lm.trainer import Trainer, warmup_cosine, weighted_loss
from wise.options import build_options

WORLD = FactWorldOptions(people=20, cities=12, countries=6, organisations=8, works=8)
TINY = PretrainOptions(hidden=32, intermediate=64, layers=2, heads=2, epochs=3, curriculum_epochs=1, batch=8, lr=3e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("data")
    make(WORLD, out)
    return out / "factworld"


@pytest.fixture(scope="module")
def texts(folder):
    return read_corpus(folder / "corpus.jsonl")


@pytest.fixture(scope="module")
def tokenizer(texts):
    return train_tokenizer(text.text for text in texts)


@pytest.fixture(scope="module")
def trained(texts):
    return pretrain(texts, TINY, seed=3)


def test_decoding_gives_the_text_back(texts, tokenizer):
    for text in texts[::7]:
        ids = tokenizer(text.text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id and tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == text.text


def test_tokenizer_output_goes_straight_into_generate(trained, tokenizer):
    model, _, _ = trained
    inputs = tokenizer(["The capital of"], return_tensors="pt")
    assert model.generate(**inputs, max_new_tokens=2, do_sample=False).shape[1] <= 6


def test_answer_tokens_have_full_weight(texts, tokenizer):
    (ids, weights), text = tokenize(texts[:1], tokenizer, 0.25)[0], texts[0]
    start, end = text.answers[0]
    weighted = [i for i, weight in zip(ids, weights, strict=True) if weight == 1.0]
    assert tokenizer.decode(weighted) == text.text[start:end]
    assert ids[-1] == tokenizer.eos_token_id and set(weights) == {0.25, 1.0}


def test_packing_keeps_every_document_whole(texts, tokenizer):
    documents = tokenize(texts, tokenizer, 0.3)
    rows = pack(documents, 72, tokenizer.pad_token_id, torch.Generator().manual_seed(0))
    for index in range(0, len(documents), 11):
        row, place = (rows.document == index).nonzero(as_tuple=True)
        assert len(set(row.tolist())) == 1
        assert rows.ids[row, place].tolist() == documents[index][0]
        assert rows.position[row, place].tolist() == list(range(len(documents[index][0])))
    assert (rows.document >= 0).sum() == sum(len(ids) for ids, _ in documents)
    assert (rows.document >= 0).float().mean() > 0.9


def test_packed_documents_do_not_see_each_other(texts, tokenizer):
    model = build_model(TINY, tokenizer, 0).eval()
    documents = tokenize(texts[:6], tokenizer, 0.3)
    rows = pack(documents, 72, tokenizer.pad_token_id, torch.Generator().manual_seed(0)).batch(torch.tensor([0]))
    bias = rows.attention_bias(torch.float32)
    with torch.no_grad():
        together = model(input_ids=rows.ids, position_ids=rows.position, attention_mask=bias).logits[0]
        for index in set(rows.document[0].tolist()) - {-1}:
            alone = model(input_ids=torch.tensor([documents[index][0]])).logits[0]
            torch.testing.assert_close(together[rows.document[0] == index], alone, atol=1e-5, rtol=1e-4)


def test_a_document_longer_than_a_row_is_refused():
    with pytest.raises(DataError, match="9 tokens, a row holds 8"):
        pack([([1] * 9, [1.0] * 9)], 8, 0, torch.Generator())


def test_weighted_loss_is_the_weighted_mean():
    logits, targets = torch.randn(3, 5), torch.tensor([1, 2, 3])
    nll = -logits.log_softmax(-1)[range(3), targets]
    weight = torch.tensor([1.0, 0.0, 0.5])
    loss = weighted_loss(logits, targets, weight, total=weight.sum())
    torch.testing.assert_close(loss, (nll[0] + 0.5 * nll[2]) / 1.5)


def test_workers_and_parts_do_not_change_a_step(texts, tokenizer):
    rows = pack(tokenize(texts[:80], tokenizer, 0.3), 72, tokenizer.pad_token_id, torch.Generator().manual_seed(0))
    whole, halves = replace(TINY, part=len(rows)), replace(TINY, part=-(-len(rows) // 2))
    trained = []
    for options, workers in ((whole, 1), (halves, 1), (halves, 2)):
        trainer = Trainer(build_model(TINY, tokenizer, 0), options, steps=8, workers=workers)
        loss = trainer.step(rows)
        trained.append((loss, trainer.parameters[0].grad))
    assert trained[1][0] == trained[2][0] and torch.equal(trained[1][1], trained[2][1])
    assert trained[0][0] == pytest.approx(trained[1][0], rel=2e-3)  # bfloat16 rounds parts differently


def test_schedule_rises_to_one_and_falls_to_zero():
    factors = [warmup_cosine(step, 100, 0.1) for step in range(101)]
    assert max(factors) == factors[9] == 1.0
    assert factors[:10] == sorted(factors[:10]) and factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0.0)


def test_loss_falls_and_the_report_says_what_was_done(trained):
    model, tokenizer, report = trained
    assert report.curve[-1]["loss"] < 0.8 * report.curve[0]["loss"]
    assert len(report.curve) == TINY.epochs and report.tokens > 0 and report.seconds > 0
    assert report.parameters == model.num_parameters() and report.vocabulary == len(tokenizer)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_seed_fixes_every_weight(texts, trained):
    again = pretrain(texts, TINY, seed=3)[0].state_dict()
    other = pretrain(texts, TINY, seed=4)[0].state_dict()
    for name, weight in trained[0].state_dict().items():
        assert torch.equal(weight, again[name])
    assert not torch.equal(other["lm_head.weight"], again["lm_head.weight"])


def test_saved_folder_loads_and_answers(tmp_path, folder, trained):
    model, tokenizer, _ = trained
    save_pretrained(model, tokenizer, tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    lm = load_language_model(tmp_path, device="cpu")
    question = read_questions(folder / "facts.jsonl")[0]
    (answer,) = answer_pairs(lm, [question.prompt], [question.target])
    assert lm.tokenizer.decode(answer.target_tokens) == question.target


def test_knowledge_is_counted_by_aspect_and_relation(folder, trained, tmp_path):
    save_pretrained(trained[0], trained[1], tmp_path)
    questions = read_questions(folder / "facts.jsonl")
    report = knowledge_report(load_language_model(tmp_path, device="cpu"), questions, 64)
    assert set(report["overall"]) == set(ASPECTS)
    assert sum(share["questions"] for share in report["overall"].values()) == len(questions)
    mayor = report["relations"]["mayor"]
    assert mayor["seen"]["questions"] + mayor["held_out"]["questions"] == 6 * WORLD.cities
    assert all(0.0 <= s["exact"] <= 1.0 for shares in report["relations"].values() for s in shares.values())


def test_a_loss_that_is_not_a_number_is_an_error_that_helps(texts, monkeypatch):
    monkeypatch.setattr("wise.lm.pretrain.Trainer.step", lambda *_: float("nan"))
    with pytest.raises(WiseError, match="nan in epoch 1; a lower 'lr'"):
        pretrain(texts, TINY, seed=0)


def test_one_step_lowers_the_loss_of_its_batch(texts, tokenizer):
    trainer = Trainer(build_model(TINY, tokenizer, 0), TINY, steps=8)
    rows = pack(tokenize(texts[:40], tokenizer, 0.3), 72, tokenizer.pad_token_id, torch.Generator().manual_seed(0))
    losses = [trainer.step(rows) for _ in range(5)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hiden": 3}, "Did you mean 'hidden'"),
        ({"hidden": 30, "heads": 4}, "multiple of 2 x heads"),
        ({"epochs": 4, "curriculum_epochs": 4}, "fewer than epochs"),
        ({"length": 500}, "exceeds context"),
    ],
)
def test_impossible_recipes_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        build_options(PretrainOptions, options, "options of pretrain")


@pytest.mark.parametrize("line", ["{", "{}", '{"subject": "a", "text": "b", "answers": 3}'])
def test_a_faulty_corpus_line_is_named(tmp_path, line):
    good = json.dumps({"subject": "a", "text": "b c", "answers": [[2, 3]]})
    (tmp_path / "corpus.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError, match="line 2: not a document"):
        read_corpus(tmp_path / "corpus.jsonl")


def test_corpus_is_read_as_written(tmp_path):
    row = {"kind": "fact", "subject": "a", "text": "b c", "answers": [[2, 3]]}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row) + "\n")
    assert read_corpus(tmp_path / "corpus.jsonl") == [CorpusText("a", "b c", ((2, 3),))]
