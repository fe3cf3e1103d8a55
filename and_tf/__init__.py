"""Unsupervised image representation learning by neighbourhood discovery.

`AND` is a `keras.Model` around any encoder, `Curriculum` the callback that
discovers neighbourhoods between rounds, `backbones.build` makes encoders.
"""

from __future__ import annotations

import importlib
import os

# The one place of the version; the build reads it from here.
__version__ = "0.1.0"

# Before TensorFlow is first imported: its log is for its developers. Set the
# variable to 0 to have it all. Where processes train together, it has pages of
# errors to say when one of them ends.
os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "3" if os.environ.get("TF_CONFIG") else "2"
)

_PLACES = {
    "AND": "and_tf.method.model",
    "Curriculum": "and_tf.method.curriculum",
    "backbones": None,
    "data": None,
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> object:
    """Imports on first use, so that `import and_tf` itself is quick."""
    if name not in _PLACES:
        raise AttributeError(f"module 'and_tf' has no attribute {name!r}")
    if _PLACES[name] is None:
        return importlib.import_module(f"and_tf.{name}")
    return getattr(importlib.import_module(_PLACES[name]), name)
