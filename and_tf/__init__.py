"""Unsupervised image representation learning by neighbourhood discovery.

`AND` is a `keras.Model` around any encoder, and `Curriculum` is the callback
that discovers neighbourhoods between rounds. `encoders.build` makes encoders,
and `data.load` reads data sets. `train_run` trains as the command
`and_tf.train` does, by a `TrainConfig`. `Run` opens an existing run with its
encoder, images and figures. `discover`, `nearest` and `weighted_knn` work on
arrays.
"""

from __future__ import annotations

import importlib
import os

# The only place that states the version; the build reads it from here.
__version__ = "0.1.0"

# TensorFlow reads this variable when it is first imported. By default its log
# hides messages for TensorFlow's own developers; set the variable to 0 to see
# all of them. When several processes train together, errors are hidden too,
# since TensorFlow prints pages of them as soon as one process ends.
_SEVERAL = os.environ.get("TF_CONFIG") or (
    os.environ.get("SLURM_STEP_NUM_TASKS", "1") != "1"
)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if _SEVERAL else "2")

# The module and attribute that define each name; a package has no attribute.
# Type checkers read the same names from __init__.pyi.
_PLACES = {
    "AND": "and_tf.method.model:AND",
    "Curriculum": "and_tf.method.curriculum:Curriculum",
    "InputError": "and_tf.utils.errors:InputError",
    "Interrupted": "and_tf.utils.errors:Interrupted",
    "MemoryBank": "and_tf.method.memory_bank:MemoryBank",
    "Run": "and_tf.training.run:Run",
    "TrainConfig": "and_tf.training.config:TrainConfig",
    "data": "and_tf.data",
    "discover": "and_tf.method.discovery:discover",
    "encoders": "and_tf.encoders",
    "nearest": "and_tf.search.nearest:nearest",
    "train_run": "and_tf.training.trainer:train",
    "weighted_knn": "and_tf.evaluation.knn:weighted_knn",
}
__all__ = sorted(_PLACES)
# Names of older versions, which programs may still use.
_FORMER = {"backbones": "encoders"}


def __getattr__(name: str) -> object:
    """Imports a name on first use, so that `import and_tf` itself is quick."""
    name = _FORMER.get(name, name)
    if name not in _PLACES:
        raise AttributeError(f"module 'and_tf' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found
