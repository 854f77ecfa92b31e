"""Options of WISE: scales, and every switch in which the paper, its released code and this project differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic.dataclasses import dataclass

from wise.editors.decision import Policy
from wise.editors.space import Among, Range
from wise.editors.wise.conventions import CONVENTIONS
from wise.editors.wise.merging import RULES
from wise.editors.wise.sharding import Masks
from wise.errors import unknown
from wise.options import STRICT, AtLeastOne, Count, NotNegative, OneOf, Positive, PositiveShare, Prefixes, require


@dataclass(frozen=True, config=STRICT)
class WiseConfig:
    """Defaults are this project's, `whitened`; docs/conventions.md says what each differs in from the paper and why."""

    convention: Annotated[str, OneOf(CONVENTIONS)] = "whitened"
    """Whose choices the other options start from: this project's (`whitened`), the paper's, those of the code released
    with it (`official`), or the paper's method with scales relative to the model (`refined`). Each option can be set on
    its own beside it."""

    # Memories: edits are learned in shards, which are merged into one memory.
    shards: Annotated[AtLeastOne, Among((1, 2, 4, 8))] = 1
    """Number k of shards, each of which learns its edits in its own part of the matrix."""
    rho: PositiveShare = 1.0
    """Mask ratio: the share of the matrix that one shard may change."""
    masks: Masks = "bernoulli"
    """How the shards' parts are drawn: each on its own (`bernoulli`, the paper's), or overlapping as little as
    possible (`disjoint`)."""
    capacity: Annotated[Count, Among((1, 2, 5, 10, 20))] = 1
    """Most edits of one shard: where all are full, one more begins. 0 for any number."""
    order: Literal["round_robin", "sequential"] = "round_robin"
    """Edits go to the shards in turn, or fill one shard after the other."""
    group: Count = 0
    """Edits after which the shards are merged into one memory and new ones begin; 0 for never."""
    merge: Annotated[str, OneOf(RULES)] = "ties"
    """Rule by which shards are merged."""
    merge_weight: float = 1.0
    """Weight of the merged update, divided equally among the shards."""
    density: PositiveShare = 1.0
    """Share of a shard's changes that merging rules with trimming or dropping keep."""

    # Learning one edit: SGD on the edit loss and the routing loss.
    lr: Annotated[Positive, Range(0.2, 4.0)] = 1.0
    """Step size of SGD; see `units`."""
    whiten: Annotated[NotNegative, Range(0.05, 1.0)] = 0.3
    """Gradients are multiplied by (C + whiten * tr(C) / f * I)^-1, C the second moments of unrelated prompts' inputs;
    0 for none. See `wise.editors.wise.whitening`."""
    steps: Annotated[AtLeastOne, Range(20, 70)] = 70
    """Most steps of one edit."""
    stop: Literal["loss", "separated", "plateau", "never"] = "separated"
    """When learning ends early: below `stop_loss` (`loss`), there and with a score that reaches the margin beta
    (`separated`), when the loss is low and flat (`plateau`), or never."""
    stop_loss: NotNegative = 0.02
    """Loss, in nats, below which learning ends where `stop` is `loss` or `separated`."""
    context_prefixes: Annotated[Prefixes, Among((0, 2, 4, 10))] = 2
    """Random texts that the prompt is learned behind, beside the prompt alone."""
    divisor: Literal["tokens", "tokens_plus_one"] = "tokens"
    """What a text's edit loss is divided by: its number of target tokens, or one more, as in the released code."""
    weight_decay: NotNegative = 0.0
    """Weight decay of SGD."""
    decay: Literal["masked", "unmasked"] = "masked"
    """Weights that decay: those of the shard, or all."""
    clamp: NotNegative = 0.0
    """Largest change of a weight; 0 for any."""

    # Routing loss: edits are pushed towards high routing scores, unrelated texts towards low ones.
    routing_weight: Annotated[NotNegative, Range(0.5, 20.0)] = 5.0
    """Factor of the routing loss."""
    alpha: Annotated[float, Range(0.02, 0.5)] = 0.05
    """Margin: unrelated texts should score below it."""
    beta: Annotated[float, Range(1.0, 4.0)] = 2.0
    """Margin: edits should score above it."""
    gamma: Annotated[float, Range(0.5, 2.0)] = 1.0
    """Margin: an edit should score so much above an unrelated text."""
    units: Literal["relative", "absolute", "whitened"] = "whitened"
    """Margins are shares of the matrix's median output norm on unrelated texts, and the step size is divided by its
    mean squared input norm and by rho (`relative`); or both are numbers as they are (`absolute`); or, with whitened
    updates, scores are taken in shares of that norm, and the step size is the share by which the first step moves the
    output at the last prompt token, so that nothing depends on the scale of keys, matrix or output (`whitened`)."""
    hinge: Literal["mean", "positive"] = "mean"
    """The routing loss is the mean over all of its terms, or over the positive ones."""
    irrelevant: Count = 64
    """Unrelated prompts in the routing loss, beside the edit's own unrelated text."""
    replay: bool = False
    """Past edits take part in the routing loss (appendix B.3)."""
    replayed: Count = 64
    """How many past edits take part in one iteration."""

    # Routing: a prompt whose score reaches the threshold is answered by the side memory.
    scope: Literal["measured", "subject", "prompt", "activation"] = "measured"
    """What a prompt is scored by: how near one of its tokens comes to the subject of an edit (`subject`), or its last
    token to that of an edit's prompt (`prompt`), see `wise.editors.wise.cosine_scope`; or how far the memory moves the
    matrix's output (`activation`, equation 4). With `measured`, whichever of the first two recognises more training
    prompts in other words, if that is half of them, else `activation`. Without whitened updates or routing `prefill`,
    `measured` is `activation`, and the first two are errors."""
    routing: Policy = "prefill"
    """A text is routed once, on its prompt (`prefill`), or anew in every forward call (`per_step`), as in the released
    code."""
    until: Literal["answer", "always"] = "answer"
    """Behind the prompt, the chosen side memory answers up to the last token of a target that it holds, and the main
    memory goes on (`answer`); or it answers at every token (`always`), as in the paper. See
    `wise.editors.wise.answer_end`. `answer` needs whitened updates and routing `prefill`; without them it says nothing.
    """
    act_ratio: PositiveShare = 0.8
    """The threshold is this share of the smallest score over the edits."""
    threshold: Literal["current", "recorded", "between"] = "between"
    """Scores behind the threshold: those of the edits in the memory as it is now, or as each was learned. `between`
    puts it in the middle between those and the scores of unrelated prompts that take no part in learning; `act_ratio`
    then says nothing."""
    activation: Literal["none", "ffn"] = "none"
    """The score compares the outputs of the matrices themselves, or the FFN's activation of them (`ffn`)."""
    positions: Literal["last", "answer", "prompt", "tokens", "padded"] = "last"
    """Tokens whose scores are averaged: the last prompt token, those that predict the answer, the prompt's, all, or
    all with padding."""
    pool: Literal["mean", "mean_or_max"] = "mean"
    """Average over tokens; with `mean_or_max`, the maximum instead where there are more than 100."""

    @classmethod
    def preset(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the convention named in `values` sets; raises `ConfigError` for an unknown one."""
        name = values.get("convention", "whitened")
        if name not in CONVENTIONS:
            raise unknown("convention", str(name), CONVENTIONS)
        return dict(CONVENTIONS[name])

    @classmethod
    def published(cls) -> dict[str, Any]:
        """The options that stand for what was published; every search of options tries them."""
        return {"convention": "paper"}

    def __post_init__(self) -> None:
        if self.convention == "refined":
            require(self.rho <= self.density, "density must reach rho, or trimming drops what was learned")
        require(
            self.threshold == "recorded" or self.positions in ("last", "answer"),
            f"threshold '{self.threshold}' needs positions 'last' or 'answer': only last prompt tokens are kept",
        )
        require(
            (self.units == "whitened") == (self.whiten > 0),
            "units 'whitened' belong to whitened updates: set whiten above 0 with them, and only then",
        )
        require(
            self.scope in ("measured", "activation") or (self.whiten > 0 and self.routing == "prefill"),
            f"scope '{self.scope}' needs whitened updates and routing 'prefill': set scope 'activation' without them",
        )
        if self.whiten:
            require(self.rho == 1, "whitened updates have no masks: rho must be 1")
            require(
                not (self.weight_decay or self.clamp or self.replay),
                "whitened updates go without weight_decay, clamp and replay",
            )
            require(
                self.positions in ("last", "answer") and self.divisor == "tokens" and self.order == "round_robin",
                "whitened updates need positions 'last' or 'answer', divisor 'tokens' and order 'round_robin'",
            )
        if self.order == "sequential":
            require(
                self.group > 0 and self.group % self.shards == 0, "order 'sequential' needs group = shards * n edits"
            )
            require(self.threshold == "recorded", "order 'sequential' needs threshold 'recorded'")


@dataclass(frozen=True, config=STRICT)
class WiseMergeConfig(WiseConfig):
    """The same where shards are merged, which loses what many of them hold: their number does not follow the edits."""

    capacity: Count = 0
    """Most edits of one shard: where all are full, one more begins. 0 for any number."""
