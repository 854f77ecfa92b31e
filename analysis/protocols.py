"""One model, one edit, several numbers: reliability under every protocol that the transcripts hold."""

from __future__ import annotations

import pandas as pd

from analysis.inputs import Inputs
from analysis.main_table import with_protocol
from analysis.output import Table
from analysis.sampled import intervals
from analysis.style import editor_style, settings
from analysis.summary import summarise
from analysis.text import markdown, number
from wise.evaluate.protocol import IMMEDIATE, RETENTION

SHOWN = {
    "rel": "forced, tokens",
    "rel_exact": "forced, exact",
    "rel_generated": "free, equals",
    "rel_contains": "free, contains",
}
"""The metrics of an edit's own prompt, from the most lenient to the strictest and back, and their headings."""


def table(inputs: Inputs) -> Table:
    """Long CSV with the columns of `analysis.summary` and of the protocol; Markdown by editor and T."""
    scores, records = inputs.scores(), inputs.records()
    moments = {IMMEDIATE: scores[scores["age"] == 0], RETENTION: scores}
    cells = [with_protocol(summarise(rows, list(SHOWN)), records, moment) for moment, rows in moments.items()]
    found = pd.concat(cells, ignore_index=True)
    return Table(found, to_markdown(found))


def to_markdown(found: pd.DataFrame) -> str:
    """A row for each editor, T and moment, a column for each protocol."""
    parts = [
        "Answers to the prompts of the edits. Forced: the model is given the true target, and predicts each of its "
        "tokens (share of tokens; or all of them). Free: it continues the prompt alone, greedily, up to its own end. "
        "Immediate: the edits that were made last, asked right behind themselves, with all edits of their chunk in the "
        f"model. Retention: all T edits, asked behind the last. {intervals(found)}\n"
    ]
    for title, group in settings(found):
        free = group.loc[group["stop"] != "", ["max_new_tokens", "stop", "kv_cache"]].drop_duplicates()
        for row in free.itertuples(index=False):
            cache = "with" if row.kv_cache else "without"
            parts.append(
                f"Free answers have at most {row.max_new_tokens} tokens, stop at {row.stop}, {cache} KV cache.\n"
            )
        lines = []
        for (T, editor, moment), cells in group.groupby(["T", "editor", "moment"], sort=False):
            values = cells.set_index("metric")["mean"]
            counted = f"{cells['edits'].max()}"
            lines.append([editor_style(editor).label, str(T), moment, counted, *(number(values.get(m)) for m in SHOWN)])
        lines.sort(key=lambda line: int(line[1]))
        header = ["Editor", "T", "Moment", "Edits", *SHOWN.values()]
        parts += [f"## {title}\n", markdown(header, lines, left=1)]
    return "\n".join(parts)
