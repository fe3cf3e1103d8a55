"""Searches flags of a run with Optuna, a run for each trial.

    python docs/examples/optuna_search.py

The study lies in a file, so that the same command goes on with it, also in
several processes at once on one machine. Trials are compared by kNN top-1 on
images that are held out of training, and not on the test images.
"""

from __future__ import annotations

import pathlib

import optuna

import and_tf

DIRECTORY = pathlib.Path("runs/optuna")
COMMON = {
    "dataset": "cifar10",
    "train_split": "train[:45000]",
    "test_split": "train[45000:]",
    "encoder": "small",
    "rounds": 1,
    "epochs_per_round": 3,
}


def objective(trial: optuna.Trial) -> float:
    """Trains with the flags of a trial, and returns its kNN top-1."""
    config = and_tf.TrainConfig(
        **COMMON,
        temperature=trial.suggest_float("temperature", 0.05, 0.5, log=True),
        neighbourhood_size=trial.suggest_int("neighbourhood_size", 1, 10),
        run_dir=str(DIRECTORY / f"trial_{trial.number}"),
        resume=True,
    )
    result = and_tf.train_run(config)
    trial.set_user_attr("run_dir", config.run_dir)
    return result["knn_top1_last"]


def main(trials: int = 20) -> optuna.Study:
    """Runs trials, and prints the best."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="and_tf",
        storage=f"sqlite:///{DIRECTORY}/study.db",
        sampler=optuna.samplers.TPESampler(seed=0),
        direction="maximize",
        load_if_exists=True,
    )
    # Flags that do not go together end their trial alone.
    study.optimize(objective, n_trials=trials, catch=[and_tf.InputError])
    print(study.best_value, study.best_params)
    return study


if __name__ == "__main__":
    main()
