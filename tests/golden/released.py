"""WISE in the official convention, literally: one adapter in place of the matrix, full forward passes."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, silu
from transformers import PreTrainedModel

from tests.golden.merging import merged
from tests.golden.texts import LAYER, Edit

DECAY = 1e-5
UNSEEN = 1e9


@dataclass(frozen=True)
class Hyperparameters:
    """Under the names of the released code."""

    edit_lr: float = 1.0
    n_iter: int = 5
    mask_ratio: float = 0.2
    alpha: float = 0.5
    beta: float = 2.0
    gamma: float = 1.0
    act_ratio: float = 0.88
    save_freq: int = 2
    merge_freq: int = 4
    retrieve: bool = True
    replay: bool = False
    merge_alg: str = "ties"
    norm_constraint: float | None = 1.0
    weights: float = 1.0
    densities: float = 0.53


def token_gaps(one: Tensor, other: Tensor) -> Tensor:
    """d_j of two outputs (B, L, d) -> (B, L)."""
    return (silu(one) - silu(other)).norm(dim=-1)


def positive_mean(values: Tensor) -> Tensor:
    """pm: mean of the strictly positive entries, 0 if there are none."""
    above = values[values > 0]
    return above.mean() if len(above) else values.sum() * 0


class Adapter(nn.Module):
    """Stands where the matrix was: `w0` unedited, `main` merged, `side` being learned, `memories` saved."""

    def __init__(self, weight: Tensor, hyperparameters: Hyperparameters) -> None:
        super().__init__()
        self.hp, self.w0 = hyperparameters, weight
        self.main, self.side = weight.clone(), weight.clone()
        self.memories: list[Tensor] = []
        self.minima: list[float] = []  # of the memories, in retrieve mode
        self.least = UNSEEN
        self.editing = False
        self.merge_count = 0
        self.routes: list[str] = []
        self.distances: dict = {}

    def forward(self, inner: Tensor) -> Tensor:
        """`inner` (B, L, f) -> (B, L, d)."""
        self.original = linear(inner, self.w0)
        if self.editing:
            self.new = linear(inner, self.side)
            return self.new
        matrices = {"original": self.w0, "layer": self.main, "new": self.side}
        matrices |= {f"memory{i}": memory for i, memory in enumerate(self.memories)}
        gaps = {name: token_gaps(self.original, linear(inner, matrix)) for name, matrix in matrices.items()}
        scores = {name: (gap.max() if gap.shape[1] > 100 else gap.mean()).item() for name, gap in gaps.items()}
        route = self.routed(scores)
        self.routes.append(route)
        self.distances = scores
        self.equal = [name for name, matrix in matrices.items() if torch.equal(matrix, matrices[route])]
        return linear(inner, matrices[route])

    def routed(self, scores: dict[str, float]) -> str:
        """The decision of one forward call."""
        threshold = self.least * self.hp.act_ratio
        if not self.hp.retrieve:
            if scores["new"] < threshold and scores["layer"] < threshold:
                return "original"
            return "layer" if scores["layer"] > scores["new"] else "new"
        best, route = scores["new"], "original" if scores["new"] < threshold else "new"
        for index, least in enumerate(self.minima):
            score = scores[f"memory{index}"]
            if score > best and score > least * self.hp.act_ratio:
                best, route = score, f"memory{index}"
        return route


@dataclass
class EditLog:
    """What is written down of one edit."""

    losses: list[list[float]] = field(default_factory=list)
    replayed: list[list[float]] = field(default_factory=list)
    gaps: list[Tensor] = field(default_factory=list)
    updates: int = 0
    stopped: bool = False
    score: float = 0.0
    after: Tensor | None = None


class Released:
    """A model with its adapter, and the history that replay draws from."""

    def __init__(self, model: PreTrainedModel, hyperparameters: Hyperparameters, subjects: bool) -> None:
        self.model, self.hp, self.subjects = model, hyperparameters, subjects
        mlp = model.model.layers[LAYER].mlp
        self.adapter = mlp.down_proj = Adapter(mlp.down_proj.weight.data, hyperparameters)
        self.count = 0
        self.history: list[tuple[Tensor, Tensor]] = []
        self.groups: list[list[tuple[Tensor, Tensor]]] = []
        self.used: list[list[bool]] = []
        self.random = Random(42)
        self.masks = torch.Generator().manual_seed(7)
        self.mask = torch.empty(0)
        self.merges: list[dict] = []
        self.saves: list[dict] = []

    def edit(self, edit: Edit) -> EditLog:
        """One edit: learn, record, then save and merge where they are due."""
        hp, adapter, log = self.hp, self.adapter, EditLog()
        ids, attention, labels = edit.padded()
        self.history.append((ids, attention))
        if self.count % hp.save_freq == 0:
            self.mask = (torch.rand(adapter.w0.shape, generator=self.masks) < hp.mask_ratio).to(adapter.w0.dtype)
        adapter.editing, adapter.side = True, adapter.side.clone().requires_grad_(True)
        sgd = torch.optim.SGD([adapter.side], hp.edit_lr, weight_decay=DECAY)
        last, previous = UNSEEN, 0.0
        for iteration in range(hp.n_iter):
            edit_loss = self._edit_loss(ids, attention, labels)
            routing_loss, scores = self._routing_loss(edit)
            total = edit_loss + routing_loss
            log.gaps.append(token_gaps(adapter.original, adapter.new).detach())
            log.stopped = abs(last - previous) <= 1e-4 and last <= 0.02
            if log.stopped or iteration == hp.n_iter - 1:
                log.score = scores.mean().item()
            terms = [] if log.stopped or not self._replays() else self._replay_terms()
            total = total + sum(terms)
            log.losses.append([total.item(), edit_loss.item(), routing_loss.item()])
            log.replayed.append([term.item() for term in terms] or [float("nan")] * 2)
            if log.stopped:
                break
            sgd.zero_grad()
            total.backward()
            adapter.side.grad *= self.mask
            sgd.step()
            if hp.norm_constraint is not None:
                adapter.side.data.clamp_(adapter.w0 - hp.norm_constraint, adapter.w0 + hp.norm_constraint)
            last, previous = total.item(), last
            log.updates += 1
        adapter.editing, adapter.side = False, adapter.side.detach()
        adapter.least = min(adapter.least, log.score)
        log.after = adapter.side.clone()
        self.count += 1
        self._after_edit()
        return log

    def _edit_loss(self, ids: Tensor, attention: Tensor, labels: Tensor) -> Tensor:
        """Mean over the edit's rows of the summed losses of t target tokens, divided by t + 1."""
        logits = self.model(input_ids=ids, attention_mask=attention, use_cache=False).logits[:-1, :-1]
        wanted = labels[:-1, 1:]
        losses = cross_entropy(logits.transpose(1, 2), wanted, reduction="none")  # (B, V, L), (B, L) -> (B, L)
        return (losses.sum(1) / ((wanted != -100).sum(1) + 1)).mean()

    def _routing_loss(self, edit: Edit) -> tuple[Tensor, Tensor]:
        """L_act, and the scores of the edit's rows over all their positions."""
        gaps = token_gaps(self.adapter.original, self.adapter.new)
        scores = gaps[:-1].mean(1)
        inside, outside = scores, gaps[-1:].mean(1)
        if self.subjects:
            subject = edit.subject_mask()
            inside = (gaps[:-1] * subject).sum(1) / subject.sum(1)
            outside = (gaps[:-1] * ~subject).sum(1) / (~subject).sum(1)
        apart = outside[:, None] - inside[None, :] + self.hp.gamma
        loss = positive_mean(apart) + positive_mean(outside - self.hp.alpha) + positive_mean(self.hp.beta - inside)
        return loss, scores

    def _replays(self) -> bool:
        return self.hp.replay and self.hp.retrieve and self.adapter.merge_count > 0

    def _replay_terms(self) -> list[Tensor]:
        """Scores on a past batch of every merged group down, on one of the current group up."""
        down = []
        for group, used in zip(self.groups, self.used, strict=True):
            if all(used):
                used[:] = [False] * len(used)
            index = used.index(False)
            used[index] = True
            down.append(positive_mean(self._row_scores(*group[index]) - 5))
        up = positive_mean(20 - self._row_scores(*self.random.choice(self.history)))
        return [torch.stack(down).mean(), up]

    def _row_scores(self, ids: Tensor, attention: Tensor) -> Tensor:
        self.model(input_ids=ids, attention_mask=attention, use_cache=False)
        return token_gaps(self.adapter.original, self.adapter.new)[:-1].mean(1)

    def _after_edit(self) -> None:
        hp, adapter = self.hp, self.adapter
        if self.count % hp.save_freq == 0:
            self.saves.append({"after_edit": self.count - 1, "min_act": adapter.least, "weight": adapter.side.clone()})
            adapter.memories.append(adapter.side)
            adapter.side = adapter.w0.clone()
            if hp.retrieve:
                adapter.minima.append(adapter.least)
                adapter.least = UNSEEN
        if self.count % hp.merge_freq == 0:
            self.groups.append(self.history)
            self.used.append([False] * len(self.history))
            self.history = []
            self.merge()

    def merge(self) -> None:
        """Memories become one, or the main weight."""
        hp, adapter = self.hp, self.adapter
        before = adapter.main.clone()
        if hp.retrieve:
            size = hp.merge_freq // hp.save_freq
            inputs, minima = adapter.memories[-size:], adapter.minima[-size:]
            matrices, weights = inputs, [hp.weights / size] * size
        elif torch.equal(adapter.main, adapter.w0):
            matrices = inputs = adapter.memories
            weights = [hp.weights / len(inputs)] * len(inputs)
        else:
            inputs = adapter.memories
            matrices, weights = [*inputs, adapter.main], [0.4 / len(inputs)] * len(inputs) + [0.6]
        with torch.random.fork_rng():
            torch.manual_seed(1000 + len(self.merges))
            out = merged(hp.merge_alg, adapter.w0, matrices, weights, hp.densities)
        self.merges.append({"in": list(inputs), "before": before, "out": out, "after_edit": self.count - 1})
        adapter.side = adapter.w0.clone()
        if hp.retrieve:
            adapter.memories = [*adapter.memories[:-size], out]
            adapter.minima = [*adapter.minima[:-size], min(minima)]
            adapter.merge_count += 1
        else:
            adapter.memories, adapter.main = [], out

    def finish(self) -> None:
        """What the first question after editing sets off in merge mode."""
        adapter = self.adapter
        if self.hp.retrieve or self.count < self.hp.save_freq:
            return
        if not torch.equal(adapter.side, adapter.w0):
            adapter.memories.append(adapter.side)
        if adapter.memories:
            self.merge()
