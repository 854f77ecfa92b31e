"""CounterFact's true facts as a corpus to learn, and edits of facts that were learned."""
