"""CounterFact's true facts as a corpus to learn, and edits of facts that were learned."""

from wise.datasets.counterfact_corpus.build import fetch, make
from wise.datasets.counterfact_corpus.options import CounterFactCorpusOptions

__all__ = ["CounterFactCorpusOptions", "fetch", "make"]
