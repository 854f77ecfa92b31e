"""The search itself: Optuna's tree-structured Parzen estimator (TPE) over an editor's space, in a file of its own.

Only finished trials are written to the file, one transaction each. A search that is killed therefore goes on behind
its last whole trial, and ends as it would have ended: the sampler of trial n is made anew, with a seed that follows
from n, and sees nothing but the trials before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import PercentilePruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from wise.editors.space import Among, Choice
from wise.errors import WiseError
from wise.seeds import derive_seed
from wise.tuning.candidates import Candidate, Candidates
from wise.tuning.objective import objective
from wise.tuning.outcome import State, Trial

LOG = logging.getLogger(__name__)

Steps = Generator[tuple[int, dict[str, float]], None, None]
"""T and the scores after T edits, from the smallest T on."""

Attempt = Callable[[Mapping[str, Any]], Steps]
"""What options come to, see `wise.tuning.trial.Bench.attempt`; it is closed where nobody asks any further."""

RANDOM = 8
"""Trials before the estimator has seen enough: the editor's defaults, then random points."""

KEPT = 67
"""Percentage of trials that go on to larger T; the others are pruned by their average at a smaller one."""

FAILURES = (WiseError, RuntimeError, ArithmeticError, ValueError)
"""What bad options do to an editor: a loss that is not finite, options that do not fit together, a matrix that has no
factor. Anything else is a mistake in the code and ends the search."""

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def search(candidates: Candidates, attempt: Attempt, trials: int, seed: int, file: Path, identity: str) -> list[Trial]:
    """Try `trials` options and return all trials, in order.

    `file` (SQLite) holds the trials that an earlier, killed search has made. They are taken over where that search
    had the same `identity`, a digest of all that its trials depend on, and thrown away where it had not.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    stored = _stored(file, identity)
    first = candidates.first()
    if not candidates.space:
        LOG.warning("nothing to search: the configuration sets every option of the space, so all trials are alike")
    pruner = PercentilePruner(KEPT, n_startup_trials=max(RANDOM, len(first)))
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.add_trials(stored.trials)
    if study.trials:
        LOG.info("going on behind trial %d of %d", len(study.trials), trials)
    for number in range(len(study.trials), trials):
        study.sampler = TPESampler(n_startup_trials=RANDOM, seed=derive_seed(seed, "trial", number) % 2**32)
        _carry_out(study, candidates, first[number] if number < len(first) else None, attempt)
        stored.add_trial(study.trials[-1])
        LOG.info("trial %d of %d: %s", number + 1, trials, _told(study.trials[-1]))
    return [_trial(frozen) for frozen in study.trials]


def _stored(file: Path, identity: str) -> optuna.Study:
    """The study in `file`; a new one where there is none, or one of another identity."""
    file.parent.mkdir(parents=True, exist_ok=True)
    storage = RDBStorage(f"sqlite:///{file}")
    study = optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)
    held = study.user_attrs.get("identity")
    if held is not None and held != identity:
        LOG.warning("%s holds trials of another search, which are not used", file)
        storage.remove_session()
        storage.engine.dispose()
        file.unlink()
        return _stored(file, identity)
    study.set_user_attr("identity", identity)
    return study


def _carry_out(study: optuna.Study, candidates: Candidates, given: Candidate | None, attempt: Attempt) -> None:
    """Make one trial, of the candidate that is `given` or of a point that the sampler draws."""
    started = time.perf_counter()
    if given is not None:
        study.enqueue_trial(dict(given.point))
    trial = study.ask()
    point = {
        name: _suggest(trial, name, choice)
        for name, choice in candidates.space.items()
        if given is None or name in given.point
    }
    options = dict(given.options) if given is not None else candidates.options(point)
    state, message, scores = TrialState.COMPLETE, "", {}
    try:
        with closing(attempt(options)) as steps:
            for T, found in steps:
                scores[str(T)] = found
                trial.report(found["avg"], T)
                if given is None and trial.should_prune():
                    state = TrialState.PRUNED
                    break
    except FAILURES as error:
        state, message = TrialState.FAIL, f"{type(error).__name__}: {' '.join(str(error).split())}"
    facts = {
        "origin": given.origin if given is not None else "search",
        "options": options,
        "scores": scores,
        "seconds": round(time.perf_counter() - started, 3),
        "message": message,
    }
    for name, value in facts.items():
        trial.set_user_attr(name, value)
    value = objective(part["avg"] for part in scores.values()) if state == TrialState.COMPLETE else None
    study.tell(trial, value, state)


def _suggest(trial: optuna.Trial, name: str, choice: Choice) -> Any:
    if isinstance(choice, Among):
        return trial.suggest_categorical(name, list(choice.values))
    if isinstance(choice.low, int) and isinstance(choice.high, int):
        return trial.suggest_int(name, choice.low, choice.high, log=choice.log)
    return trial.suggest_float(name, choice.low, choice.high, log=choice.log)


def _trial(frozen: FrozenTrial) -> Trial:
    state = STATES[frozen.state]
    return Trial(number=frozen.number, state=state, score=frozen.value if state == "complete" else None,
                 **frozen.user_attrs)  # fmt: skip


def _told(frozen: FrozenTrial) -> str:
    trial = _trial(frozen)
    found = trial.message if trial.score is None else f"{trial.score:.3f}"
    return f"{trial.state} {found} in {trial.seconds:.1f} s, {trial.options}"
