"""The optimisers of a clustering."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf.scan import stages


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_optimisers_are_torchs(optimiser, config, tmp_path):
    """One step of a weight w with a gradient g, by hand."""
    made = config(tmp_path / "scan", optimiser=optimiser, weight_decay=0.5)
    built = stages.optimiser(made, 0.1)
    variable = keras.Variable(np.float32([2.0]))
    built.apply_gradients([(tf.constant([3.0]), variable)])
    # g + λw = 4; Adam's first step is α, whatever the gradient.
    step = {"adam": 0.1, "sgd": 0.1 * 4}[optimiser]
    np.testing.assert_allclose(variable, [2 - step], rtol=1e-5)
