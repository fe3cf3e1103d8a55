"""Trunks of models that functions return."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.encoders import functions
from and_tf.utils.errors import InputError
from tests.encoders.models import IMAGES, Subclassed, classifier

HERE = "tests.encoders.models"


def test_a_function_with_a_size():
    trunk = functions.trunk(f"{HERE}:classifier", image_size=12, expects="0..1")
    assert trunk.input_shape == (None, 12, 12, 3) and trunk.name == "mine"
    again = functions.trunk(f"{HERE}:classifier", expects="0..1")
    assert again.input_shape == (None, 8, 8, 3)
    model = classifier()
    model.set_weights(again.get_weights())
    np.testing.assert_allclose(
        again(IMAGES), model(IMAGES.astype(np.float32) / 255), atol=1e-6
    )


def test_a_subclassed_model_that_is_not_built():
    trunk = functions.trunk(f"{HERE}:Subclassed", image_size=8)
    model = Subclassed()
    model(IMAGES.astype(np.float32))
    model.set_weights(trunk.get_weights())
    np.testing.assert_allclose(
        trunk(IMAGES), model(IMAGES.astype(np.float32)), rtol=1e-5
    )


def test_a_module_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "my_networks_of_a_test.py").write_text(
        "import keras\n"
        "def make():\n"
        "    return keras.Sequential([keras.layers.Conv2D(3, 1)])\n"
    )
    (tmp_path / "my_broken_module.py").write_text("import my_missing_module")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"] + __import__("sys").path)
    trunk = functions.trunk("my_networks_of_a_test:make", image_size=8)
    assert trunk.output_shape == (None, 3)
    assert len(trunk.layers) == 3  # Images, convolution and pooling.
    with pytest.raises(InputError, match="import of my_broken_module ended"):
        functions.trunk("my_broken_module:make")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:f", "a module that Python finds"),
        (f"{HERE}:no_function", "a function no_function .*none"),
        (f"{HERE}:broken", "broken ended in RuntimeError: no luck. Mend"),
        (f"{HERE}:text", "returned str"),
        (f"{HERE}:SIDE", "a function SIDE"),
    ],
)
def test_says_what_is_wrong(name, words):
    with pytest.raises(InputError, match=words) as error:
        functions.trunk(name, image_size=8)
    assert "\n" not in str(error.value)
