"""Embeddings of prompts by hand, and where scopes end: what is held back, what counts as a paraphrase, and errors."""

from __future__ import annotations

import pytest
import torch

from wise.editors.shared.calibration import CLOSED, FEWEST, HELD, Calibration
from wise.editors.shared.embedding import DIRECTIONS, RIDGE, Embedding
from wise.errors import DataError
from wise.records import EditRecord, Probe


def records(count, paraphrase="{} in other words"):
    return [
        EditRecord(f"r{i}", f"prompt {i}", "x",
                   probes=(Probe("paraphrase", paraphrase.format(i), "x"), Probe("locality_far", f"far {i}", "y")))
        for i in range(count)
    ]  # fmt: skip


def test_the_plain_metric_is_the_cosine_of_centred_states():
    states = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 3.0]])
    embedding = Embedding.measured(states, "plain")
    assert torch.allclose(embedding.of(states), torch.nn.functional.normalize(states - states.mean(0), dim=-1))


def test_the_whitened_metric_is_that_of_the_ridged_covariance():
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(50, 6, generator=draw, dtype=torch.float64) * torch.tensor([9.0, 5, 1, 1, 0.1, 0.1])
    centred = states - states.mean(0)
    covariance = centred.T @ centred / len(states)
    metric = torch.linalg.inv(covariance + RIDGE * covariance.trace() / 6 * torch.eye(6, dtype=torch.float64))
    units = Embedding.measured(states, "whitened").of(states)
    inner = centred @ metric @ centred.T
    cosines = inner / (inner.diagonal()[:, None] * inner.diagonal()).sqrt()
    assert torch.allclose(units @ units.T, cosines, atol=1e-9)


def test_more_inputs_than_prompts_and_prompts_that_are_all_alike_have_an_embedding():
    draw = torch.Generator().manual_seed(0)
    wide = Embedding.measured(torch.randn(4, 2 * DIRECTIONS, generator=draw), "whitened")
    assert wide.directions.shape[1] <= 4 and wide.of(torch.randn(2, 2 * DIRECTIONS, generator=draw)).isfinite().all()
    alike = Embedding.measured(torch.ones(5, 3), "whitened")
    assert alike.of(torch.eye(3)).isfinite().all()


def test_a_third_of_many_records_is_held_back_and_nothing_else_is_learned_from():
    many = records(HELD * FEWEST)
    calibration = Calibration.of(many)
    assert calibration.edits == [f"prompt {i}" for i in range(2, len(many), 3)]
    assert {record.prompt for record in calibration.learned} == {r.prompt for r in many} - set(calibration.edits)
    assert calibration.inside == FEWEST and calibration.questions[0] == "2 in other words"
    assert calibration.owner[:FEWEST].tolist() == list(range(FEWEST))


def test_a_prompt_behind_another_text_is_no_paraphrase():
    calibration = Calibration.of(records(2 * FEWEST, "Before. prompt {}"))
    far = [f"far {i}" for i in range(1, 2 * FEWEST, 2)]
    assert calibration.inside == 0 and calibration.questions == [*calibration.edits, *far]
    similarity = torch.eye(16, 8).flip(0)  # far prompts are the edits themselves, the edits are like nothing
    end = calibration.end(similarity)
    assert end.error == float("inf") and end.threshold == similarity.amax(1).quantile(CLOSED) == 1.0


def test_scopes_end_between_paraphrases_and_other_prompts():
    calibration = Calibration.of(records(HELD * HELD * FEWEST))  # 24 edits
    count = len(calibration.edits)
    paraphrases, prompts, far = 0.8 * torch.eye(count), torch.eye(count), torch.full((count, count), 0.4)
    end = calibration.end(torch.cat([paraphrases, prompts, far]))
    assert end.threshold.item() == pytest.approx(0.6) and end.error == 0
    far[0, 0] = 0.9  # one unrelated prompt that is nearer than any paraphrase
    end = calibration.end(torch.cat([paraphrases, prompts, far]))
    assert end.threshold.item() == pytest.approx(0.6) and end.error == pytest.approx(1 / (3 * count))


def test_prompts_that_are_edits_themselves_are_not_left_outside():
    alike = [
        EditRecord(r.id, r.prompt, "x", probes=(*r.probes, Probe("locality_far", "prompt 1", "y"))) for r in records(9)
    ]
    assert "prompt 1" in Calibration.of(alike).edits
    assert Calibration.of(alike).questions.count("prompt 1") == 1
    edits = Calibration.of([*alike, *alike, *alike]).edits
    assert len(edits) == len(set(edits)), "an edit that comes twice counts once"


@pytest.mark.parametrize(("told", "others", "held"), [(9, 0, 4), (9, FEWEST, 9), (3, 0, 3), (30, 0, 10)])
def test_enough_records_are_left_to_learn_from(told, others, held):
    plain = [
        EditRecord(f"p{i}", f"plain {i}", "x", probes=(Probe("locality_far", f"q{i}", "y"),)) for i in range(others)
    ]
    calibration = Calibration.of([*records(told), *plain])
    assert len(calibration.edits) == held
    if told > 3:
        assert not {record.prompt for record in calibration.learned} & set(calibration.edits)


def test_one_record_tells_nothing():
    with pytest.raises(DataError, match="at least two"):
        Calibration.of(records(1))


def test_one_prompt_many_times_tells_nothing():
    with pytest.raises(DataError, match="two different training prompts are needed, all are 'prompt 0'"):
        Calibration.of(records(1) * 9)
