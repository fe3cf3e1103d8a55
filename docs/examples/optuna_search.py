"""Searches flags of a run with Optuna, a run for each trial.

    python docs/examples/optuna_search.py

search.flags has what all trials have in common. The study lies in a file, so
that the same command goes on with it, also in several processes at once on one
machine. A trial that Ctrl-C or SIGTERM has ended goes on first, from the step
that it has kept.
"""

from __future__ import annotations

import functools
import pathlib
import sys
from typing import Any

import optuna

import and_tf

FLAGFILE = pathlib.Path(__file__).with_name("search.flags")
DIRECTORY = pathlib.Path("runs/optuna")


def objective(trial: optuna.Trial, **flags: Any) -> float:
    """Trains with the flags of a trial, and returns its kNN top-1."""
    own = str(DIRECTORY / f"trial_{trial.number}")
    run_dir = trial.user_attrs.get("run_dir", own)
    trial.set_user_attr("run_dir", run_dir)
    config = and_tf.TrainConfig.from_flagfile(
        FLAGFILE,
        **flags,
        temperature=trial.suggest_float("temperature", 0.05, 0.5, log=True),
        neighbourhood_size=trial.suggest_int("neighbourhood_size", 1, 10),
        run_dir=run_dir,
        resume=True,
    )
    try:
        return and_tf.train_run(config)["knn_top1_last"]
    except and_tf.Interrupted:
        trial.study.enqueue_trial(trial.params, {"run_dir": run_dir})
        raise


def main(trials: int = 20, **flags: Any) -> optuna.Study:
    """Runs trials, and prints the best.

    Args:
        trials: Their number.
        **flags: Flags that all trials have, in place of those of the flagfile.
    """
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="and_tf",
        storage=f"sqlite:///{DIRECTORY}/study.db",
        sampler=optuna.samplers.TPESampler(seed=0),
        direction="maximize",
        load_if_exists=True,
    )
    study.optimize(
        functools.partial(objective, **flags),
        n_trials=trials,
        # Flags that do not go together end their trial alone.
        catch=[and_tf.InputError],
    )
    print(study.best_value, study.best_params)
    return study


if __name__ == "__main__":
    try:
        main()
    except and_tf.Interrupted as ended:
        print(ended)
        sys.exit(ended.exit_code)
