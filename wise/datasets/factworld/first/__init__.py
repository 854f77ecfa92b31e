"""Version 1: shared answers of two words, six wordings a relation; kept so that former numbers can be made again."""
