"""The ledger of claims: what papers say, as tests on scores, and what they come to here."""
