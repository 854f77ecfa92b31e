"""A dataset made from files of edits of your own."""
