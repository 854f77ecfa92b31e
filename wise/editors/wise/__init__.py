"""WISE (arXiv 2405.14768): side memories for edits beside the main memory, and a router between them."""
