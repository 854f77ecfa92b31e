"""The table of tables and figures: one entry each, from which rules, captions and this room's command follow.

The module of an entry has a function `table(inputs)`, a function `figure(inputs)`, or both. The artifacts of studies
follow from `wise.config.studies`.
"""

from __future__ import annotations

from dataclasses import dataclass

from wise.config.studies import STUDIES
from wise.config.study import Study

UNEDITED = "none"
MAIN, STUDY, TUNING, CLAIMS = "Main comparison", "Ablations", "Search of options", "Claims"
INSTRUCTING = "Choice of sentences"


@dataclass(frozen=True)
class Artifact:
    """One table, figure, or both, called `file` or, where that is empty, by the artifact's name.

    It `reads` files of runs by the names of options of `python -m analysis`, with "studies" those of all studies that
    the configuration includes; `tables` are its forms among csv, md and
    tex. The report shows it under `category` with the `caption`; `data` are files of the project that the module reads.
    Of the main runs it reads those of one `editor`, if it names one; `studies` are those whose runs it also reads.
    """

    name: str
    module: str
    description: str
    caption: str
    reads: tuple[str, ...] = ("scores",)
    tables: tuple[str, ...] = ()
    figure: bool = False
    file: str = ""
    category: str = MAIN
    data: tuple[str, ...] = ()
    editor: str = ""
    studies: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Name of its files without suffix."""
        return self.file or self.name


def _of(study: Study) -> Artifact:
    return Artifact(
        study.name,
        study.module,
        study.question,
        study.caption or study.question,
        study.reads,
        study.tables,
        study.figure,
        category=STUDY,
        studies=study.beside,
    )


_ARTIFACTS = (
    Artifact(
        "main_table",
        "analysis.main_table",
        "every metric of every editor by T",
        "Every metric of every editor by T: mean and 95% interval, of what the column `covers` names. Rel: the edit "
        "itself; Gen: the edit in other words; OOD: text about the edited fact in another form; PPL: perplexity of the "
        "edit's target, each clipped to [0, 100]; Loc: unrelated questions are answered as before (far: other kinds of "
        "entities, near: same relation or subject); Avg: mean of Rel, Gen (or OOD) and Loc.",
        reads=("scores", "runs"),
        tables=("csv", "md", "tex"),
        file="main",
    ),
    Artifact(
        "paired_table",
        "analysis.paired_table",
        "WISE against each other editor on the same edits",
        "WISE against each other editor on the same edits and seeds, by the average of the dataset's scores, or by the "
        "log-likelihood of the target where it has none; p-values corrected for the number of comparisons on a dataset "
        "(Holm), and the smallest difference that each comparison would have found with a chance of 80%.",
        tables=("csv", "md", "tex"),
        file="paired",
    ),
    Artifact(
        "perplexity_table",
        "analysis.perplexity_table",
        "perplexity of the targets",
        "Perplexity of the edits' targets: raw mean, mean clipped to [0, 100] as in the paper, median and geometric "
        "mean.",
        tables=("csv",),
        file="perplexity",
    ),
    Artifact(
        "endings",
        "analysis.endings",
        "what follows the target in free answers",
        "What follows the target in free answers that begin with it, beside what the unedited model writes behind the "
        "target: an edited model should end, or go on as the unedited one does.",
        tables=("csv", "md", "tex"),
    ),
    Artifact(
        "published_table",
        "analysis.published_table",
        "measured scores beside those of the WISE paper",
        "Scores beside those that the WISE paper reports for other models, at the same T, and how far the two orders "
        "of editors agree.",
        tables=("csv", "md", "tex"),
        file="published",
        data=("analysis/published.csv",),
    ),
    Artifact(
        "cost_table",
        "analysis.cost_table",
        "what each editor cost",
        "What each editor cost: seconds of an edit, extra parameters, peak memory of the process and time of all "
        "questions.",
        reads=("runs",),
        tables=("csv", "md", "tex"),
        file="cost",
    ),
    Artifact(
        "scores_vs_t",
        "analysis.scores_vs_t",
        "scores against the number of edits",
        "Scores against the number of edits T, one line per editor, with bands of 95% intervals. Many editors are "
        "shown family by family, with all others in grey.",
        figure=True,
    ),
    Artifact(
        "triangle",
        "analysis.triangle",
        "reliability, generalization and locality at the largest T, or perplexity and locality",
        "Reliability, generalization and locality at the largest T: no editor but a good one fills the triangle. Where "
        "a dataset asks for no generalization, perplexity of the target against locality.",
        figure=True,
    ),
    Artifact(
        "retention",
        "analysis.retention",
        "scores of an edit against its age",
        "Scores of an edit against its age, the number of edits made after it, at the largest T.",
        figure=True,
    ),
    Artifact(
        "routing",
        "analysis.routing",
        "routing scores of edits, paraphrases and irrelevant questions",
        "Routing scores of edits, paraphrases and irrelevant questions at the largest T, with the threshold above "
        "which a side memory answers.",
        reads=("transcripts", "runs"),
        figure=True,
    ),
    Artifact(
        "tuning",
        "analysis.tuning",
        "what the search of every editor's options found, by trial",
        "Search of every editor's options on development edits, with one budget for all: the objective (mean of Avg "
        "after few and after many edits, Loc near and far both in it) of each trial, and the best so far. Open: "
        "published options; dashed: the editor's defaults; at the bottom: trials that were pruned or failed.",
        reads=("searches",),
        tables=("csv", "md", "tex"),
        figure=True,
        category=TUNING,
    ),
    Artifact(
        "tuning_trials",
        "analysis.tuning_trials",
        "every trial of the search of options",
        "Every set of options that was tried, with its score, the best so far, time, and why it failed where it did.",
        reads=("searches",),
        tables=("csv",),
        category=TUNING,
    ),
    Artifact(
        "instruction_rounds",
        "analysis.tasks.rounds",
        "every round of the choice of InstructEdit's sentences",
        "Every sentence that was tried in front of edits, by round and task, with the score of single development "
        "edits behind it (mean of Rel, Gen and Loc) after a short training with all sentences of the round.",
        reads=("rounds",),
        tables=("csv", "md"),
        category=INSTRUCTING,
    ),
    Artifact(
        "dataset_table",
        "analysis.dataset_table",
        "datasets and what the unedited model answers",
        "Datasets: edits, questions, what the unedited model answers before any edit, and how many tokens the targets "
        "have (paper, Table 3 and Figure 7).",
        reads=("transcripts", "runs"),
        editor=UNEDITED,
        tables=("csv", "md", "tex"),
        figure=True,
    ),
    Artifact(
        "methods_table",
        "analysis.methods_table",
        "what each editor keeps, changes and needs",
        "Methods: where an editor keeps its edits, what they change, what it needs before the first edit, and how many "
        "parameters that came to.",
        reads=("runs",),
        tables=("csv", "md", "tex"),
    ),
    Artifact(
        "protocols",
        "analysis.protocols",
        "the same edits under every protocol",
        "The same edits asked about under every protocol: teacher forced by tokens and exactly, and freely generated; "
        "right behind the edit (immediate: edits of age 0), and behind all T edits (retention).",
        reads=("scores", "runs"),
        tables=("csv", "md", "tex"),
    ),
    Artifact(
        "claims",
        "analysis.claims.artifact",
        "what the papers claim, and what it comes to here",
        "Each claim of the papers, and of later ones about them, as a test on scores: whether it holds, the effect and "
        "its 95% interval. Open: not decided with so many edits. A dash: nothing here can test it.",
        reads=("scores", "runs", "records", "studies"),
        tables=("csv", "md", "tex"),
        figure=True,
        category=CLAIMS,
        data=("analysis/claims.yaml",),
    ),
    *map(_of, STUDIES.values()),
)

ARTIFACTS: dict[str, Artifact] = {artifact.name: artifact for artifact in _ARTIFACTS}
"""Every artifact by name, which is also that of its rule."""
