"""Run the literal WISE over a few edits and write the golden folder of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.golden.released import EditLog, Hyperparameters, Released
from tests.golden.texts import CONFIG, LAYER, Edit, draw_edits, tiny_model


def write_golden(
    folder: Path,
    dtype: str = "float64",
    edits: int = 5,
    subjects: bool = False,
    beside: bool = False,
    ends: bool = False,
    **options: Any,
) -> None:
    """Write the run with `options` of `Hyperparameters`.

    `subjects`: the irrelevant text is the subject of the prompt. `beside`: the model goes to the sibling `model/`.
    `ends`: generation may choose the end of text, and goes on behind it.
    """
    model, stream = tiny_model(getattr(torch, dtype)), draw_edits(edits)
    _write_model(folder.parent / "model" if beside else folder, tiny_model(torch.float64).state_dict())
    run = Released(model, Hyperparameters(**options), subjects)
    hyperparameters = asdict(run.hp) | {"inner_params": [f"model.layers[{LAYER}].mlp.down_proj.weight"]}
    arrays: dict[str, Tensor] = {}
    trace: dict[str, Any] = {"variant": folder.name, "dtype": dtype, "hparams": hyperparameters, "per_edit": []}
    for number, edit in enumerate(stream):
        log = run.edit(edit)
        arrays |= _edit_arrays(f"edit{number}", run, log)
        trace["per_edit"].append(_edit_trace(number, run, log))
    arrays |= {"final/layer_weight": run.adapter.main, "final/new_weight": run.adapter.side}
    arrays |= {f"final/memory{i}": memory for i, memory in enumerate(run.adapter.memories)}
    during = len(run.merges)
    run.finish()
    arrays["final/layer_weight_after_eval"] = run.adapter.main
    probes = {f"probe/{n}/{kind}": ids for n, edit in enumerate(stream) for kind, ids in _probes(edit).items()}
    with torch.no_grad():
        trace["probes"] = [_probe(run, name, ids, arrays) for name, ids in probes.items()]
        trace["generation"] = [
            _generation(run, number, edit, use_cache, ends)
            for number, edit in enumerate(stream)
            for use_cache in (True, False)
        ]
    for index, merge in enumerate(run.merges):
        arrays |= {f"merge{index}/in{i}": matrix for i, matrix in enumerate(merge["in"])}
        arrays |= {f"merge{index}/layer_before": merge["before"], f"merge{index}/out": merge["out"]}
    arrays |= {f"save{index}/weight": save.pop("weight") for index, save in enumerate(run.saves)}
    merges = [{"after_edit": merge["after_edit"], "n_in": len(merge["in"])} for merge in run.merges]
    trace |= {"saves": run.saves, "merges_during_edit": merges[:during], "merges_triggered_by_eval": merges[during:]}
    tokens = {str(number): _tokens(edit, subjects) for number, edit in enumerate(stream)}
    inputs = {"hparams": hyperparameters, "edits": [{}] * edits, "contexts": [], "seed": 42, "tokens": tokens}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inputs.json").write_text(json.dumps(inputs))
    (folder / "trace.json").write_text(json.dumps(trace))
    _save(folder / "arrays.safetensors", arrays)


def _write_model(place: Path, state: dict[str, Tensor]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    _save(place / "model.safetensors", state)
    (place / "model_config.json").write_text(json.dumps(CONFIG))


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path)


def _edit_arrays(name: str, run: Released, log: EditLog) -> dict[str, Tensor]:
    return {
        f"{name}/mask": run.mask.to(torch.int8),
        f"{name}/w_after": log.after,
        f"{name}/iter_loss": torch.tensor(log.losses, dtype=torch.float64),
        f"{name}/iter_replay": torch.tensor(log.replayed, dtype=torch.float64),
        f"{name}/delta_tok_first": log.gaps[0],
        f"{name}/delta_tok_last": log.gaps[-1],
    }


def _edit_trace(number: int, run: Released, log: EditLog) -> dict[str, Any]:
    adapter = run.adapter
    return {
        "edit": number,
        "n_forward": len(log.losses),
        "n_updates": log.updates,
        "early_stopped": log.stopped,
        "saved_activation": [log.score],
        "editing_min_act": adapter.least,
        "n_memories": len(adapter.memories),
        "memory_min_acts": list(adapter.minima),
        "editing_total_cnt": run.count,
        "merge_cnt": adapter.merge_count,
    }


def _probes(edit: Edit) -> dict[str, list[int]]:
    return {"rewrite": edit.rows[0], "rephrase": edit.rephrase, "locality": edit.locality}


def _probe(run: Released, name: str, ids: list[int], arrays: dict[str, Tensor]) -> dict[str, Any]:
    """One forward call of the edited model; its logits go to `arrays`."""
    adapter, ratio = run.adapter, run.hp.act_ratio
    arrays[f"{name}/logits"] = run.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    _, edit, kind = name.split("/")
    return {
        "d_new": adapter.distances["new"],
        "d_layer": adapter.distances["layer"],
        "thr_edit": adapter.least * ratio,
        "d_mem": [adapter.distances[f"memory{i}"] for i in range(len(adapter.memories))],
        "thr_mem": [least * ratio for least in adapter.minima],
        "chosen_first_equal": adapter.equal,
        "edit": int(edit),
        "kind": kind,
        "ids": ids,
    }


def _generation(run: Released, number: int, edit: Edit, use_cache: bool, ends: bool) -> dict[str, Any]:
    """Greedy tokens, as many as the target has, and the branch of every forward call."""
    run.adapter.routes = []
    ids, past, generated = edit.rows[0][: -len(edit.target)], None, []
    for _ in edit.target:
        given = ids if past is None else ids[-1:]
        output = run.model(input_ids=torch.tensor([given]), past_key_values=past, use_cache=use_cache)
        past = output.past_key_values if use_cache else None
        logits = output.logits[0, -1].clone()
        if not ends:
            logits[CONFIG["eos_token_id"]] = -torch.inf
        generated.append(int(logits.argmax()))
        ids = [*ids, generated[-1]]
    run_of = {"edit": number, "use_cache": use_cache, "target": edit.target, "generated": generated}
    return run_of | {"routes": run.adapter.routes}


def _tokens(edit: Edit, subjects: bool) -> dict[str, Any]:
    ids, mask, labels = edit.padded()
    tokens: dict[str, Any] = {"input_ids": ids.tolist(), "attention_mask": mask.tolist(), "labels": labels.tolist()}
    inside = edit.subject_mask()
    tokens["act_mask"] = inside.int().tolist() if subjects else None
    tokens["deact_mask"] = (~inside).int().tolist() if subjects else None
    return tokens
