"""Retrieval: edits stay text, and the nearest one is put in front of a prompt that is like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Le
from pydantic.dataclasses import dataclass
from torch import Tensor

from wise.editors.decision import Reading
from wise.editors.layout import Layout, Part
from wise.editors.mechanisms.in_context import SENTENCE_END, RewritingEditor, read_first
from wise.editors.shared.embedding import Embedding, Metric, fitting_embedding
from wise.editors.shared.pooling import NUMBERED, POOLINGS, AnyPooling, number_of, pooled
from wise.editors.space import Among
from wise.lm.batch import Encoded
from wise.lm.load import LanguageModel
from wise.options import STRICT
from wise.records import EditRecord

SAME = 1 - 1e-4
"""Cosine from which two prompts are the same one, whatever the rounding: an edit always answers its own prompt."""


@dataclass(frozen=True, config=STRICT)
class RetrievalConfig:
    """A control without published values: nothing is trained."""

    pooling: Annotated[AnyPooling, Among(("measured", "last", "mean"))] = "measured"
    """A prompt's embedding is the model's state at its last token, or the mean over its tokens; `measured` for the one
    that tells paraphrases from irrelevant questions best on the training records."""
    metric: Annotated[Metric, Among(("whitened", "plain"))] = "whitened"
    """How embeddings are compared: by the cosine, in the metric of training prompts or as they are."""
    separator: Annotated[str, Among((".\n", ". ", "\n", " "))] = SENTENCE_END
    """Text between an edit and the prompt that it is put in front of."""
    threshold: Annotated[float, Ge(-1), Le(1), Among((0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))] = 0.0
    """Cosine similarity from which an edit is used; 0 for the one that tells paraphrases from irrelevant questions
    best on the training records."""


class Retrieval(RewritingEditor):
    """A prompt q near the edit (p, t) is answered by the unedited model from `p t<separator>q`.

    Embeddings are the model's own states at the edited matrix. What it reaches is what the model can read off its
    context.
    """

    name = "retrieval"
    artifact_options = ("pooling", "metric")
    remedy = "Lower 'threshold'; the model has to be able to read an answer off its context."
    Config = RetrievalConfig
    matrices = 0

    @property
    def answering(self) -> LanguageModel:
        """The unedited model."""
        return self.lm

    @property
    def embedding_size(self) -> int:
        """The model's own states."""
        return self.site.weight.shape[1]

    @property
    def threshold(self) -> float:
        """The configured similarity, or the measured one; at most `SAME`."""
        return min(self.config.threshold or self.made("threshold").item(), SAME)

    def make_artifact(self, records: Sequence[EditRecord]) -> dict[str, Tensor]:
        """The embedding of prompts, `pooling` () as its number, and the `threshold` () where scopes of edits end."""
        pooling, embedding, end = fitting_embedding(self, records, self.config.pooling, self.config.metric)
        return embedding.tensors() | {"pooling": number_of(pooling), "threshold": end.threshold}

    def artifact_layout(self) -> Layout:
        """See `Editor.artifact_layout`."""
        measured = {"pooling": NUMBERED, "threshold": Part()}
        return {"mean": Part("f"), "directions": Part("f k"), "shrinks": Part("k"), **measured}

    def embed(self, reading: Reading) -> Tensor:
        """Vectors of length 1, (B, f)."""
        embedding = Embedding(*(self.made(name) for name in ("mean", "directions", "shrinks")))
        return embedding.of(pooled(reading, POOLINGS[int(self.made("pooling"))]))

    def similarity(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Cosine, (B, f) x (f, n) -> (B, n)."""
        return queries @ keys.to(queries).T

    def rewritten(self, text: Encoded, prompt: tuple[int, ...]) -> tuple[int, ...]:
        """The edit's text, the separator, and the prompt without a first token of its own."""
        return read_first(self.lm, text, self.config.separator, prompt)

    def measured(self) -> dict[str, float]:
        """The similarity from which an edit is used."""
        return {"threshold": self.threshold} if self.config.threshold or self.prepared else {}
