"""A second, literal WISE in the released code's convention, which shares no code with the project.

It edits a tiny Llama by full forward passes, one formula a line, and writes what it computed as a golden
folder, so that `wise parity` can be tested without anything from outside.
"""
