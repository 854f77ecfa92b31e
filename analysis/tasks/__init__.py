"""Editors for many tasks: tables and figures of scores by task."""
