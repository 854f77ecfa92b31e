"""Hold a replayed run against its golden folder: every edit, the final memories, and what the model answers."""

from __future__ import annotations

import re

import torch
from torch import Tensor
from transformers import PretrainedConfig

from wise.editors.decision import Routing
from wise.errors import DataError, refusing
from wise.parity.deviations import Deviations
from wise.parity.golden import Golden
from wise.parity.replay import Replay


def check_folder(folder: str) -> tuple[Golden, Deviations]:
    """Replay one golden folder and compare everything that it stores; raises `DataError` where that is impossible."""
    with refusing(f"{folder}: cannot be replayed", DataError):
        return _checked(Golden.open(folder))


def _checked(golden: Golden) -> tuple[Golden, Deviations]:
    deviations = Deviations()
    replay = Replay(golden, deviations)
    for edit in range(golden.edits):
        replay.edit(edit)
        _check_iterations(replay, golden, deviations, edit)
        _check_memories(replay, golden, deviations, edit)
    _check_final(replay, golden, deviations)
    _check_probes(replay, golden, deviations)
    _check_generation(replay, golden, deviations)
    mergings = sum(bool(re.fullmatch(r"merge\d+/out", name)) for name in golden.arrays)
    deviations.same("counters", replay.finish().mergings, mergings)
    return golden, deviations


def _check_iterations(replay: Replay, golden: Golden, deviations: Deviations, edit: int) -> None:
    """Losses and token gaps of every forward pass, and how the edit ended."""
    trace, losses = golden.trace["per_edit"][edit], golden.array(f"edit{edit}/iter_loss")
    deviations.same("counters", len(replay.passes), trace["n_forward"])
    deviations.same("counters", replay.outcome.iterations, trace["n_updates"])
    deviations.same("counters", replay.outcome.iterations < len(replay.passes), trace["early_stopped"])
    mine = torch.tensor([[seen.edit.item(), seen.routing.item()] for seen, _ in replay.passes], dtype=torch.float64)
    deviations.note("losses", mine, losses[:, 1:])
    replayed = [sum(term.item() for term in terms) for _, terms in replay.passes]
    total = mine.sum(1)
    if not torch.allclose(losses[:, 0], losses[:, 1:].sum(1), rtol=1e-6):  # a total that counts replay as well
        total = total + torch.tensor(replayed, dtype=torch.float64)
    deviations.note("losses", total, losses[:, 0])
    _check_replay(replay, golden, deviations, edit)
    for moment, (seen, _) in (("first", replay.passes[0]), ("last", replay.passes[-1])):
        stored = golden.array(f"edit{edit}/delta_tok_{moment}")
        deviations.note("scores", seen.gaps.detach(), stored[: len(seen.gaps)])
        if seen.outside_gaps is not None:
            deviations.note("scores", seen.outside_gaps.detach(), stored[len(seen.gaps) :])


def _check_replay(replay: Replay, golden: Golden, deviations: Deviations, edit: int) -> None:
    """Both terms of L_memo in every iteration; NaN stands for an iteration without replay."""
    if not golden.has(f"edit{edit}/iter_replay"):
        return
    stored = golden.array(f"edit{edit}/iter_replay")
    deviations.same("counters", [bool(terms) for _, terms in replay.passes], (~stored[:, 0].isnan()).tolist())
    for (_, terms), row in zip(replay.passes, stored, strict=False):
        if terms and not row.isnan().any():
            deviations.note("losses", [term.item() for term in terms], row)


def _check_memories(replay: Replay, golden: Golden, deviations: Deviations, edit: int) -> None:
    """The side memory, scores, thresholds and counters after an edit."""
    bank, trace = replay.bank, golden.trace["per_edit"][edit]
    deviations.note("side memories", replay.tools.weight(bank.after), golden.array(f"edit{edit}/w_after"))
    deviations.note("thresholds", [bank.score], trace["saved_activation"])
    deviations.note("thresholds", bank.least, trace["editing_min_act"])
    if bank.retrieve:
        deviations.note("thresholds", [memory.least for memory in bank.saved], trace["memory_min_acts"])
    deviations.same("counters", len(bank.saved), trace["n_memories"])
    deviations.same("counters", bank.count, trace["editing_total_cnt"])
    deviations.same("counters", bank.merges, trace["merge_cnt"])
    saves = [number for number, save in enumerate(golden.trace["saves"]) if save["after_edit"] == edit]
    deviations.same("counters", int(bank.count % bank.save_every == 0), len(saves))
    for number in saves:
        deviations.note("side memories", replay.tools.weight(bank.after), golden.array(f"save{number}/weight"))
        deviations.note("thresholds", _least_saved(replay), golden.trace["saves"][number]["min_act"])


def _least_saved(replay: Replay) -> float:
    """The smallest score of the memory put away last; a merging right behind it keeps the smallest of its group."""
    bank = replay.bank
    return bank.least if not bank.retrieve else bank.least_put_away


def _check_final(replay: Replay, golden: Golden, deviations: Deviations) -> None:
    """Memories after the last edit, and the main memory as it answers."""
    bank, kind = replay.bank, "side memories"
    deviations.note(kind, replay.tools.weight(bank.main), golden.array("final/layer_weight"))
    deviations.note(kind, replay.tools.weight(bank.side), golden.array("final/new_weight"))
    for number, memory in enumerate(bank.saved):
        deviations.note(kind, replay.tools.weight(memory.delta), golden.array(f"final/memory{number}"))
    deviations.same("counters", golden.has(f"final/memory{len(bank.saved)}"), False)
    if golden.has("final/layer_weight_after_eval"):
        deviations.note(kind, replay.tools.weight(replay.finish().main), golden.array("final/layer_weight_after_eval"))


def _check_probes(replay: Replay, golden: Golden, deviations: Deviations) -> None:
    """Distances, thresholds, decision and logits of the edited model in one forward call a probe."""
    for probe in golden.trace["probes"]:
        logits, routing, distances = _forward(replay, torch.tensor([probe["ids"]]))
        thresholds = [float(memory.threshold) for memory in replay.bank.served()]
        deviations.note("scores", distances[:1], probe["d_new"])
        deviations.note("thresholds", thresholds[:1], probe["thr_edit"])
        if replay.bank.retrieve:
            deviations.note("scores", distances[1:], probe["d_mem"])
            deviations.note("thresholds", thresholds[1:], probe["thr_mem"])
        else:
            deviations.note("scores", distances[1:], probe["d_layer"])
        deviations.same("choices", branch(replay, int(routing.choice)) in probe["chosen_first_equal"], True)
        stored = f"probe/{probe['edit']}/{probe['kind']}/logits"
        if golden.has(stored):
            deviations.note("losses", logits[0], golden.array(stored))


def _forward(replay: Replay, ids: Tensor) -> tuple[Tensor, Routing, Tensor]:
    """Logits (1, L, V) of the edited model, its decision, and its distances to all memories (k,)."""
    with torch.no_grad():
        logits = replay.editor.lm.model(input_ids=ids, use_cache=False).logits
    routing, distances = replay.editor.decided[-1]
    return logits, routing, distances[0]


def _check_generation(replay: Replay, golden: Golden, deviations: Deviations) -> None:
    """Greedy tokens and the branch of every step, with and without KV cache."""
    texts = {probe["edit"]: probe["ids"] for probe in golden.trace["probes"] if probe["kind"] == "rewrite"}
    for run in golden.trace["generation"]:
        count = len(run["target"])
        editor = replay.editor
        length = _length_options(run["generated"], count, editor.lm.model.config)
        ids = torch.tensor([texts[run["edit"]][:-count]])
        editor.decided.clear()
        tokens = editor.lm.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            use_cache=run["use_cache"],
            **length,
        )
        routes = [branch(replay, int(routing.choice)) for routing, _ in editor.decided]
        deviations.same("choices", tokens[0, ids.shape[1] :].tolist(), run["generated"])
        deviations.same("choices", routes, run["routes"])


def _length_options(generated: list[int], count: int, config: PretrainedConfig) -> dict[str, int]:
    """Options of `generate` for as many tokens as the golden run made, whether or not it knew an end of text."""
    if config.eos_token_id in generated:
        return {"max_new_tokens": len(generated), "eos_token_id": config.vocab_size}  # no token ends the text
    return {"max_new_tokens": count, "min_new_tokens": count}


def branch(replay: Replay, choice: int) -> str:
    """The golden trace's name of a choice."""
    if choice == 0:
        return "original"
    if choice == 1:
        return "new"
    return f"memory{choice - 2}" if replay.bank.retrieve else "layer"
