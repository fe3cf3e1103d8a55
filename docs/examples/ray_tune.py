"""Searches flags of a run with Ray Tune, a run for each trial.

    python docs/examples/ray_tune.py

search.flags has what all trials have in common. RAY_ADDRESS names a cluster,
whose machines have to see that file and the directories of runs.
"""

from __future__ import annotations

import pathlib
from typing import Any

import ray
from ray import tune

# A process of a trial may be anywhere, so that paths have to be whole.
FLAGFILE = pathlib.Path(__file__).resolve().with_name("search.flags")
DIRECTORY = pathlib.Path("runs/ray_tune").resolve()
SPACE = {
    "temperature": tune.loguniform(0.05, 0.5),
    "neighbourhood_size": tune.randint(1, 11),
}


def trainable(flags: dict[str, Any]) -> dict[str, Any]:
    """Trains with the flags of a trial, and returns what it is compared by."""
    import and_tf  # In the process of the trial, as TensorFlow takes GPUs.

    name = tune.get_context().get_trial_name()
    config = and_tf.TrainConfig.from_flagfile(
        FLAGFILE, **flags, run_dir=str(DIRECTORY / name), resume=True
    )
    result = and_tf.train_run(config)
    return {"knn_top1": result["knn_top1_last"], "run_dir": config.run_dir}


def main(trials: int = 20, **flags: Any) -> tune.ResultGrid:
    """Runs trials, and prints the best.

    Args:
        trials: Their number.
        **flags: Flags that all trials have, in place of those of the flagfile.
    """
    ray.init(ignore_reinit_error=True)
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1, "gpu": gpus}),
        param_space={**flags, **SPACE},
        tune_config=tune.TuneConfig(
            num_samples=trials, metric="knn_top1", mode="max"
        ),
        run_config=tune.RunConfig(
            name="study",
            storage_path=str(DIRECTORY),
            # A trial whose machine is lost goes on from its checkpoint.
            failure_config=tune.FailureConfig(max_failures=3),
        ),
    )
    found = tuner.fit()
    best = found.get_best_result()
    print(best.metrics["knn_top1"], best.config)
    return found


if __name__ == "__main__":
    main()
