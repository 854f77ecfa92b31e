"""Parity with the released WISE: replay of runs that its authors' code made, number for number."""
