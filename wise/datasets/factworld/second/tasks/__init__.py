"""Four kinds of edits of the second world, for editors that are trained on some kinds and tried on others."""
