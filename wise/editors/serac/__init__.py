"""SERAC: a scope classifier, and a counterfactual model that answers inside of scopes (arXiv 2206.06520)."""
