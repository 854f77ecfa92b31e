"""One document of everything that a run made: claims, tables, figures, runs, cost, and the checklist of reviewers."""
