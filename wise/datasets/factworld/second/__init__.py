"""Version 2: no subject in two roles, answers of independent words, twenty wordings a relation."""
