"""MEMOIR: a sparse residual memory beside one matrix, of which each prompt sees its own columns (arXiv 2506.07899)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import linear

from wise.editors.base import EditOutcome
from wise.editors.decision import Reading, Routing
from wise.editors.layout import Layout, Part
from wise.editors.mechanisms.routed import RoutedEditor
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.calibration import Calibration
from wise.editors.shared.loss import edit_loss
from wise.editors.shared.minimise import minimise, trainable
from wise.editors.shared.pooling import NUMBERED, POOLINGS, AnyPooling, number_of, pooled, pooled_prompts, poolings
from wise.editors.space import Among, Range
from wise.options import STRICT, AtLeastOne, NotNegative, Positive, PositiveShare, Prefixes, Share
from wise.records import EditRecord
from wise.seeds import generator

Top = Literal["absolute", "signed"]


@dataclass(frozen=True, config=STRICT)
class MemoirConfig(OwnConstants):
    """Published values for 7B models: 4096 of 14336 columns (a share of 0.286), tau 0.4 for question answering and 0.9
    for hallucinations, masks of the mean over the prompt, 30 to 70 steps of SGD at 1.0, layer 27.
    """

    share: Annotated[PositiveShare, Range(0.05, 0.6)] = 0.286
    """Share of the memory's columns that one edit may use."""
    tau: Annotated[Share, Range(0.2, 0.95, log=False)] = 0.0
    """A stored mask is used for a prompt when both overlap by at least this share of their columns; 0 for the share
    that tells paraphrases from irrelevant questions best on the training records."""
    top: Annotated[Top, Among(("absolute", "signed"))] = "absolute"
    """A mask is made of the entries that are largest in size, as in the released code, or with their sign."""
    lr: Annotated[Positive, Own(4.0, "slope", 1.0), Range(0.4, 40.0)] = OPEN
    """Step size of SGD."""
    steps: Annotated[AtLeastOne, Range(20, 70)] = 50
    """Most steps of one edit."""
    pooling: Annotated[AnyPooling, Among(("measured", "last", "mean"))] = "measured"
    """The mask of a prompt is made of the activation at its last token, or of the mean over its tokens; `measured` for
    the one that tells paraphrases from irrelevant questions best on the training records."""
    context_prefixes: Prefixes = 10
    """Random texts that the prompt is learned behind, beside the prompt alone."""
    stop_loss: Annotated[NotNegative, Among((0.0, 0.02))] = 0.0
    """Learning ends when the loss is below it, in nats; 0 for never."""


class Memoir(RoutedEditor):
    """`y = W0 a + Wm (m * a)`: `Wm` (d, f) is zero at first, m (f,) the 0/1 mask of the edit that a prompt is like.

    The mask of a prompt ("TopHash"): the k largest entries of its activation less the mean activation of training
    prompts, moved to other columns by a fixed random permutation. An edit changes the columns of its mask alone.
    A prompt takes the *stored* mask nearest to its own in Hamming distance where both overlap by at least tau, and
    by-passes `Wm` elsewhere. Edits share columns as far as their masks overlap: that is where they forget.
    """

    name = "memoir"
    artifact_options = ("pooling", "share", "top")
    remedy = "Raise 'lr' or 'steps'."
    Config = MemoirConfig
    matrices = 4

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        features = self.site.weight.shape[1]
        self.active = max(1, round(self.config.share * features))  # k
        draw = generator(self.seed, "columns")
        self._permutation = torch.randperm(features, generator=draw, device=draw.device).to(self.lm.device)
        self._forget()

    def make_artifact(self, records: Sequence[EditRecord]) -> dict[str, Tensor]:
        """The mean activation (f,) of training prompts, `pooling` () as its number, and the measured `tau` ()."""
        calibration = Calibration.of(records)
        known = [text for r in calibration.learned for text in (r.prompt, r.unrelated_prompt) if text.strip()]
        found = []
        for pooling in poolings(self.config.pooling):
            mean = pooled_prompts(self, known, pooling).mean(0)
            asked, edits = (
                self._largest(pooled_prompts(self, texts, pooling) - mean).float()
                for texts in (calibration.questions, calibration.edits)
            )
            end = calibration.end(asked @ edits.T / self.active)  # (q, f) x (f, n)
            found.append((end, {"mean": mean, "pooling": number_of(pooling), "tau": end.threshold}))
        return min(found, key=lambda made: made[0].error)[1]

    @property
    def tau(self) -> float:
        """The configured share, or the measured one."""
        return self.config.tau or self.made("tau").item()

    @property
    def pooling(self) -> str:
        """The configured way to pool, or the measured one."""
        return POOLINGS[int(self.made("pooling"))]

    def masks(self, activations: Tensor) -> Tensor:
        """TopHash of pooled prompt activations (B, f) -> (B, f), bool with k ones a row.

        Raises `ConfigError` before `prepare`.
        """
        largest = self._largest(activations - self.made("mean").to(activations))
        return torch.zeros_like(largest).index_copy_(1, self._permutation, largest)

    def _largest(self, centred: Tensor) -> Tensor:
        """The k largest entries of each row (B, f), as bool (B, f)."""
        top = (centred if self.config.top == "signed" else centred.abs()).topk(self.active, dim=-1).indices  # (B, k)
        return torch.zeros_like(centred, dtype=torch.bool).scatter(1, top, True)

    def decide(self, reading: Reading) -> Routing | None:
        """The stored mask nearest in Hamming distance; the score is the share of its k columns that both have.

        Masks have k ones each, so that their distance is 2k less twice what they share.
        """
        if not len(self._masks):
            return None
        own = self.masks(pooled(reading, self.pooling))
        shared = own.float() @ self._masks.float().T / self.active  # (B, f) x (f, n)
        overlap, nearest = shared.max(1)  # (B,)
        threshold = torch.full_like(overlap, self.tau)
        return Routing(overlap, threshold, torch.where(overlap >= threshold, nearest + 1, 0))

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the memory through the chosen mask, at every position."""
        if routing is None or not routing.choice.any():
            return base
        rows = routing.choice.nonzero(as_tuple=True)[0]
        masked = inner[rows] * self._masks[routing.choice[rows] - 1][:, None]  # (R, L, f)
        output = base.clone()
        output[rows] += linear(masked, self._memory.to(masked)).to(base)  # (R, L, f) x (f, d)
        return output

    def holder(self, record_id: str) -> int:
        """Every edit has a mask of its own."""
        return next((index for index, record in enumerate(self.edits, start=1) if record.id == record_id), 0)

    def extra_parameters(self) -> int:
        """The memory; masks are bits and no parameters."""
        return self._memory.numel()

    def _learn(self, record: EditRecord) -> EditOutcome:
        config: MemoirConfig = self.config
        frozen = self.rows(record, config.context_prefixes)
        first = Reading.of(frozen)  # (1 + prefixes, ...); its first row is the prompt as it is
        mask = self.masks(pooled(first, self.pooling)[:1])  # (1, f)
        columns = mask[0].nonzero(as_tuple=True)[0]  # (k,)
        inner = frozen.inner[..., columns]  # (B, L, k): what lies outside of the mask has neither value nor gradient
        weight = trainable(self._memory[:, columns])  # (d, k)

        def loss() -> Tensor:
            return edit_loss(self.tail, frozen, frozen.output + linear(inner, weight.to(inner)))  # (B, L, k) x (k, d)

        def step(loss: Tensor) -> None:
            (gradient,) = torch.autograd.grad(loss, weight)
            weight.data.sub_(gradient, alpha=config.lr)

        outcome = minimise(loss, step, config.steps, config.stop_loss, record)
        memory = self._memory.clone()
        memory[:, columns] = weight.detach().to(memory)
        self._memory, self._masks = memory, torch.cat([self._masks, mask])
        return outcome

    def measured(self) -> dict[str, float]:
        """The share of columns from which a mask is used."""
        return {"tau": self.tau} if self.config.tau or self.prepared else {}

    def _forget(self) -> None:
        self._memory = torch.zeros_like(self.site.weight)
        self._masks = torch.zeros(0, self.site.weight.shape[1], dtype=torch.bool, device=self.lm.device)

    def memory(self) -> dict[str, Tensor]:
        return {"memory": self._memory, "masks": self._masks}

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {"memory": Part("d f"), "masks": Part("T f", "bool")}

    def artifact_layout(self) -> Layout:
        """See `Editor.artifact_layout`."""
        return {"mean": Part("f"), "pooling": NUMBERED, "tau": Part()}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        self._memory, self._masks = memory["memory"], memory["masks"]
