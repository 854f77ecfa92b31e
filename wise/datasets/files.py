"""The three files of records that an edit stream has."""

from __future__ import annotations

STREAM, DEVELOPMENT, TRAIN = "edits", "development", "train"
FILES = (STREAM, DEVELOPMENT, TRAIN)
"""Files of a stream's folder, without their ending: the edits that are reported, those on which options are chosen, and
what is learned from beside the edits."""
