"""The table of studies beside the main comparison: one entry each, from which everything else follows.

An entry gives the keys of its section `ablations.NAME` of the configuration, its edit jobs, its rule (`snakemake
NAME`), its table and figure in the report, and its runs in MLflow. A study of named variants needs no code:
`analysis.switches` compares them with the first. One that wants a picture of its own names its module, with functions
`table` and `figure` of what it `reads`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt

from wise.config.study import Study
from wise.config.study_kinds import Axis, EveryRun, Grid, MainRuns, Measured, Networks, Traced, Variants

TIMED_AFTER = (1, 10, 100)
"""Numbers of edits after which the study `overhead` times inference, where the configuration names none."""

REFINED = {"convention": "refined"}
"""WISE as published with scales relative to the model: the convention whose shards have masks, and that can replay."""


def _trained(variants: dict[str, Any], editors: tuple[str, ...] = ("mend", "instructedit")) -> Variants:
    """Single edits by editors whose network was trained otherwise."""
    return Variants(editors, variants, edits=80, grid={"1": 80}, about_editors="Editors with a trained network.")


_STUDIES = (
    Study(
        "layer",
        "Which layer should be edited?",
        Grid("wise-retrieve", {"layer": Axis(range(6), NonNegativeInt, "Layers to try.", option=None)}),
        module="analysis.layer",
        reference="grace",
        caption="The same edits written into each layer by {editor}.",
    ),
    Study(
        "shards",
        "How many shards k, and which share rho of the weights does each mask leave free?",
        Grid(
            "wise-merge",
            {
                "k": Axis([2, 4], PositiveInt, "Numbers of shards to try.", option="shards"),
                "rho": Axis([0.2, 0.5], Annotated[float, Field(gt=0, le=1)], "Mask ratios to try.", option="rho"),
            },
            options=REFINED,
        ),
        module="analysis.shards",
        caption="Number of shards k and mask ratio rho of {editor}, by default in the convention refined.",
    ),
    Study(
        "generation",
        "Do answers survive free generation, by when and on what the router decides?",
        Variants(
            ["wise-retrieve"],
            {"prefill": {"routing": "prefill"}, "per-step": {"routing": "per_step"}},
            grid={"1": 20, "10": 2},
            about_editors="Editors under study; they have to route.",
            about_variants="Routing options by name; variants have to differ in `routing`, `positions` or `threshold`.",
        ),
        module="analysis.generation",
        caption=(
            "Edit prompts answered teacher forced and by free greedy generation, with 95% intervals, by when the router"
            " decides (once, on the prompt; or anew at each step) and by what it looks at. Dashed: WISE as published by"
            " The Mirage of Model Editing."
        ),
        generate=True,
    ),
    Study(
        "switches",
        "What does each switch of a convention do to the scores?",
        Variants(
            ["wise-retrieve"], {"as-configured": {}, "per-step": {"routing": "per_step"}}, grid={"1": 20, "10": 2}
        ),
        reads=("scores", "runs", "transcripts"),
        caption=(
            "What each switch of WISE does to the scores: the difference of the average (Rel, Gen, far Loc) to the "
            "default on the same edits, with its 95% interval, when one option is set to what the paper or the "
            "released code does, and for both as a whole."
        ),
    ),
    Study(
        "parts",
        "Are the routing loss and random prefixes needed (WISE, Table 7 and Figure 12), and does activation route?",
        Variants(
            ["wise-retrieve"],
            {
                "as-configured": {},
                "no-routing-loss": {"routing_weight": 0.0},
                "no-prefixes": {"context_prefixes": 0},
                "by-activation": {"scope": "activation"},
            },
            edits=100,
            grid={"1": 20, "10": 4, "100": 1},
        ),
        caption=(
            "{editors} without its routing loss, without random prefixes, and routed by activation (equation 4) alone: "
            "the difference of the average (Rel, Gen, far Loc) to the whole method on the same edits, with its 95% "
            "interval."
        ),
    ),
    Study(
        "merging",
        "Which rule merges shards best? (WISE, Table 11)",
        Variants(
            ["wise-merge"],
            {
                rule: REFINED | {"merge": rule}
                for rule in ("ties", "linear", "slerp", "dare", "dare_ties", "magnitude", "sign")
            },
            edits=100,
            grid={"100": 1},
        ),
        caption=(
            "{editors} by the rule that merges its shards: the difference of the average (Rel, Gen, far Loc) to TIES "
            "on the same edits, with its 95% interval."
        ),
    ),
    Study(
        "anchors",
        "Do masks that overlap at random anchor knowledge better than disjoint ones? (WISE, Table 13)",
        Variants(
            ["wise-merge"],
            {
                f"{masks}-k{shards}-rho{rho:g}": REFINED | {"masks": masks, "shards": shards, "rho": rho}
                for shards, rho in ((2, 0.3), (2, 0.5), (3, 0.33), (5, 0.2))
                for masks in ("bernoulli", "disjoint")
            },
            edits=100,
            grid={"100": 1},
        ),
        caption=(
            "{editors} by the masks of its shards: the difference of the average (Rel, Gen, far Loc) to the first on "
            "the same edits, with its 95% interval."
        ),
    ),
    Study(
        "replay",
        "Does replay of past edits help to find the memory of an edit? (WISE, Figure 11)",
        Variants(
            ["wise-retrieve"],
            {name: REFINED | {"replay": name == "with"} for name in ("without", "with")},
            edits=100,
            grid={"10": 4, "100": 1},
        ),
        module="analysis.replay",
        reads=("scores", "runs", "transcripts"),
        caption=(
            "{editors} with and without replay of past edits: how often the memory that holds an edit answers it (top-1"
            " retrieval), and reliability, against the number of edits, with 95% intervals."
        ),
    ),
    Study(
        "scaling",
        "What do thousands of edits leave, and what would an oracle that picks the memory add? (WISE, Table 6)",
        Variants(
            ["memit-mass", "grace", "wise-merge", "wise-retrieve"],
            {"as-configured": {}},
            edits=3000,
            grid={"1000": 1, "2000": 1, "3000": 1},
        ),
        module="analysis.scaling",
        caption=(
            "Scores as edits grow in number. Dotted: an oracle asks the memory that holds the edit, and the unedited "
            "model for unrelated questions. Right: how often the router finds that memory (top-1 retrieval)."
        ),
        oracle=True,
    ),
    Study(
        "locate",
        "Which token do locate-then-edit methods rewrite, and how large may its value be?",
        Variants(["rome"], {"subject-last": {"token": "subject_last"}, "prompt-last": {"token": "prompt_last"}}),
        caption=(
            "{editors} by the token whose value they rewrite and the norm of that value: the difference of the average "
            "(Rel, Gen, far Loc) to the first variant on the same edits, with its 95% interval."
        ),
    ),
    Study(
        "grace_radius",
        "Does GRACE's deferral radius reach paraphrases without reaching everything? (WISE, appendix B.1)",
        Variants(
            ["grace"],
            {f"eps-{radius:g}": {"radius": radius} for radius in (1.0, 3.0, 10.0, 500.0)},
            edits=60,
            grid={"60": 1},
            about_editors="Editors under study; their score is a negative distance to keys with radii.",
            about_variants="Options by name; variants have to differ in `radius`.",
        ),
        module="analysis.grace_radius",
        reads=("transcripts", "runs"),
        caption=(
            "Distance of edits, paraphrases and irrelevant questions to the nearest key of GRACE's codebook, and the "
            "deferral radius of that key, for several first radii. Filled dots lie within the radius and get the key's "
            "value; their share stands above."
        ),
    ),
    Study(
        "router",
        "How well do routing scores tell edits from the rest? Read from the main runs.",
        MainRuns("wise-retrieve", "Editor under study; it has to route."),
        module="analysis.router",
        reads=("transcripts", "runs"),
        caption=(
            "Routing of {editor}: scores against T, their distributions, and the ROC of telling edits from irrelevant "
            "questions."
        ),
    ),
    Study(
        "bases",
        "How much of what varies comes from records, editing seeds and base models? Read from the main runs.",
        EveryRun(),
        module="analysis.variance",
        reads=("scores",),
        figure=False,
    ),
    Study(
        "tasks",
        "How does every editor do on every task, single and in sequence? Read from the main runs.",
        EveryRun(),
        module="analysis.tasks.main_table",
        reads=("scores", "records"),
        caption=(
            "Success of edits by task: share with every target token right, of opinions their edit success; single "
            "edits and in sequence. The held-out task was in no training."
        ),
    ),
    Study(
        "tasks_paired",
        "Is InstructEdit better than editors that were trained on the same tasks? Read from the main runs.",
        EveryRun(),
        module="analysis.tasks.verdict",
        reads=("scores", "records"),
        figure=False,
    ),
    Study(
        "transfer",
        "Does an editor that was trained on one task edit another?",
        _trained(
            {
                "recent": {"tasks": ["recent"]},
                "counterfact": {"tasks": ["counterfact"]},
                "convsent": {"tasks": ["convsent"]},
                "questions": {"tasks": ["questions"]},
                "three-tasks": {"tasks": ["recent", "counterfact", "convsent"]},
            },
        ),
        module="analysis.tasks.transfer",
        reads=("scores", "runs", "records"),
        caption="Success of single edits of each task, by the tasks that the editor was trained on.",
    ),
    Study(
        "task_count",
        "What does each further task of the training do, also to a task that is never trained?",
        _trained(
            {
                "recent": {"tasks": ["recent"]},
                "with-counterfact": {"tasks": ["recent", "counterfact"]},
                "with-convsent": {"tasks": ["recent", "counterfact", "convsent"]},
            },
        ),
        module="analysis.tasks.variants",
        reads=("scores", "runs", "records"),
        caption="Scores by task as tasks are added to the training.",
    ),
    Study(
        "instructions",
        "Does an instruction that the training never saw work as well?",
        _trained({"seen": {}, "unseen": {"instruction": 9}}, editors=("instructedit",)),
        module="analysis.tasks.variants",
        reads=("scores", "runs", "records"),
        caption="Scores by task with sentences that the training saw, and with the one that was held out of it.",
    ),
    Study(
        "balance",
        "Does it matter that one task, opinions, fills most of the training?",
        _trained(
            {
                "balanced": {"balanced": True},
                "unbalanced": {"balanced": False},
            },
        ),
        module="analysis.tasks.variants",
        reads=("scores", "runs", "records"),
        caption="Scores by task after a training in which tasks take turns, and after one on mostly opinions.",
    ),
    Study(
        "areas",
        "Do edits of one task lie apart from those of another, in what a trained network makes of them?",
        Networks(("transfer", "task_count", "balance"), edits=240),
        module="analysis.tasks.areas",
        reads=("areas",),
        caption=(
            "Editing areas: one point for each edit, the mean left factor of its update, by t-SNE and by principal "
            "components. Beside each group its silhouette by task (1: apart, 0: mixed) with its 95% interval, in the "
            "space of all dimensions."
        ),
    ),
    Study(
        "tracing",
        "Which layers carry what the model knows, and what becomes of edits there? (WISE, Figure 8)",
        Traced(),
        module="analysis.tracing",
        reads=("tracing",),
        beside=("layer",),
        caption=(
            "Left: average indirect effect of putting one state back, by layer, with 95% intervals over prompts. "
            "Right: the same edits written into each layer, from the study of layers."
        ),
    ),
    Study(
        "overhead",
        "What does an editor cost in parameters, memory and time?",
        Measured(["ft-l", "grace", "wise-merge", "wise-retrieve"], TIMED_AFTER),
        module="analysis.overhead",
        reads=("overhead",),
        caption=(
            "Extra parameters, memory, seconds of an edit, and inference time relative to the unedited model against T."
        ),
    ),
)

STUDIES: dict[str, Study] = {study.name: study for study in _STUDIES}
"""Every study by name."""
