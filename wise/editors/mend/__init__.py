"""MEND (arXiv 2110.11309): a hypernetwork that turns the gradient of an edit into the edit."""
