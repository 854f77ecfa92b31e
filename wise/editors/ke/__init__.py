"""KnowledgeEditor (arXiv 2104.08164): a network reads the text of an edit and says how to use its gradient."""
