"""Tables and figures: one module each, made from scores, transcripts and run records, never from a model."""
