"""Tokenizer, packing and training of the embedded model, on a world small enough for seconds."""

import json
from dataclasses import replace

import pytest
import torch

from wise.cli import main
from wise.datasets.factworld.build import make
from wise.datasets.factworld.options import FactWorldOptions
from wise.errors import ConfigError, DataError, WiseError
from wise.files import read_json
from wise.lm.answer import answer_pairs
from wise.lm.batch import encode
from wise.lm.load import load_language_model, wrap
from wise.options import build_options
from wise.pretraining.checkpoint import FILE
from wise.pretraining.knowledge import ASPECTS, knowledge_report, read_questions
from wise.pretraining.packing import CorpusText, pack, read_corpus, tokenize
from wise.pretraining.pretrain import (
    PretrainOptions,
    build_model,
    pretrain,
    save_pretrained,
)
from wise.pretraining.tokenizer import train_bpe, train_tokenizer
from wise.pretraining.trainer import Trainer, warmup_cosine, weighted_loss

WORLD = FactWorldOptions(
    people=20, cities=12, countries=6, organisations=8, works=8, ships=8, invented=8, context_turns=3
)
TINY = PretrainOptions(hidden=32, intermediate=64, layers=2, heads=2, epochs=3, curriculum_epochs=1, batch=8, lr=3e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("data")
    make("factworld", WORLD, out)
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
        assert tokenizer.decode(ids, skip_special_tokens=True) == text.text.replace("\n", " ")


def test_parts_of_words_give_the_text_back_and_end_where_words_end(texts):
    tokenizer = train_bpe((text.text for text in texts), 400)
    assert len(tokenizer) == 400
    for text in [*(text.text for text in texts[::7]), "naïve  Zoë: a\nthing ü!"]:
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id and tokenizer.decode(ids, skip_special_tokens=True) == text
    lm = wrap(build_model(TINY, tokenizer, 0), tokenizer, "bpe")
    for text in texts[:50]:
        prompt, target = text.text[: text.answers[0][0]].strip(), text.text[slice(*text.answers[0])]
        (encoded,) = encode(lm, [prompt], [target])
        assert list(encoded.ids[: encoded.start]) == tokenizer(prompt)["input_ids"]
        assert list(encoded.target) == tokenizer(target)["input_ids"][1:], "the same tokens in the middle of a text"
        (ids, weights) = tokenize([text], tokenizer, 0.25)[0]
        weighted = [i for i, weight in zip(ids, weights, strict=True) if weight == 1.0]
        assert tokenizer.decode(weighted).startswith(target)


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


def test_first_weights_of_both_kinds(tokenizer):
    plain, even = (
        {
            name: weight.std().item()
            for name, weight in build_model(replace(TINY, init=kind), tokenizer, 0).named_parameters()
        }
        for kind in ("plain", "even")
    )
    expected = {"embed_tokens": 0.5, "q_proj": TINY.hidden**-0.5, "k_proj": TINY.hidden**-0.5}
    for name in (name for name in plain if "norm" not in name):
        assert plain[name] == pytest.approx(0.02, rel=0.1)
        larger = next((value for part, value in expected.items() if part in name), 0.02)
        assert even[name] == pytest.approx(larger, rel=0.1)


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


@pytest.fixture
def cut_short(monkeypatch, texts, trained, tmp_path):
    """A training that was killed in its last epoch; the steps that it had made."""
    learn, steps = Trainer.step, []

    def step(self, batch):
        if len(steps) == self.stop:
            raise KeyboardInterrupt
        steps.append(batch)
        return learn(self, batch)

    monkeypatch.setattr(Trainer, "stop", trained[2].steps - 1, raising=False)
    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(KeyboardInterrupt):
        pretrain(texts, TINY, seed=3, checkpoint=tmp_path)
    steps.clear()
    return steps


def test_a_training_cut_short_goes_on_to_the_same_bits(cut_short, texts, trained, tmp_path, caplog):
    model, _, report = pretrain(texts, TINY, seed=3, checkpoint=tmp_path)
    assert 1 < len(cut_short) < report.steps / 2, "the finished epochs were not learned again"
    for name, weight in trained[0].state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name
    assert [entry["loss"] for entry in report.curve] == [entry["loss"] for entry in trained[2].curve]


@pytest.mark.parametrize("how", ["another seed", "damaged"])
def test_a_checkpoint_that_does_not_fit_is_left_alone(how, cut_short, texts, tmp_path, caplog):
    if how == "damaged":
        (tmp_path / FILE).write_bytes(b"half a file")
    with pytest.raises(KeyboardInterrupt):  # it starts anew, and is cut short where the first one was
        pretrain(texts, TINY, seed=4 if how == "another seed" else 3, checkpoint=tmp_path)
    assert "starting anew" in caplog.text


def test_the_verb_leaves_no_checkpoint_behind(folder, tmp_path):
    options = '{"hidden": 32, "intermediate": 64, "layers": 1, "heads": 2, "epochs": 2, "curriculum_epochs": 1}'
    paths = {"corpus": folder / "corpus.jsonl", "out": tmp_path / "model", "report": tmp_path / "report.json"}
    given = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    command = ["pretrain", *given, "--options", options, "--device", "cpu", "--threads", "1"]
    assert main([*command, "--checkpoint", str(tmp_path / "kept")]) == 0
    assert not (tmp_path / "kept").exists() and (tmp_path / "model/model.safetensors").exists()
    assert read_json(tmp_path / "report.json")["device"] == "cpu"


def test_saved_folder_loads_and_answers(tmp_path, folder, trained):
    model, tokenizer, _ = trained
    save_pretrained(model, tokenizer, tmp_path)
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    (tmp_path / "new").touch()
    assert modes == {(tmp_path / "new").stat().st_mode}, "everybody reads it who reads ordinary files"
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
    captain = report["relations"]["captain"]
    assert captain["seen"]["questions"] == captain["held_out"]["questions"] == WORLD.wordings * WORLD.ships
    assert all(0.0 <= s["exact"] <= 1.0 for shares in report["relations"].values() for s in shares.values())


def test_a_loss_that_is_not_a_number_is_an_error_that_helps(texts, monkeypatch):
    monkeypatch.setattr("wise.pretraining.pretrain.Trainer.step", lambda *_: float("nan"))
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
        ({"tokenizer": "bpee"}, "Did you mean 'bpe'"),
        ({"tokenizer": "bpe", "vocabulary": 200}, "'vocabulary' must be greater than 260, found 200"),
    ],
)
def test_impossible_recipes_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        build_options(PretrainOptions, options, "options of pretrain")


@pytest.mark.parametrize("line", ["{", "{}", '{"subject": "a", "text": "b", "answers": 3}'])
def test_a_faulty_corpus_line_is_named(tmp_path, line):
    good = json.dumps({"subject": "a", "text": "b c", "answers": [[2, 3]]})
    (tmp_path / "corpus.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError, match="line 2: not (a document|valid JSON)"):
        read_corpus(tmp_path / "corpus.jsonl")


def test_corpus_is_read_as_written(tmp_path):
    row = {"kind": "fact", "subject": "a", "text": "b c", "answers": [[2, 3]]}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row) + "\n")
    assert read_corpus(tmp_path / "corpus.jsonl") == [CorpusText("a", "b c", ((2, 3),))]
