"""Encoders that open without this package."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from and_tf import encoders
from and_tf.utils.errors import InputError
from tests.method.python_api_test import (
    DIM,
    IMAGES,
    LAYERS,
    SIDE,
    Subclassed,
    called,
)

OPENING = """
import sys
import keras, numpy as np
try:
    import and_tf
except ImportError:
    encoder = keras.models.load_model({path!r})
    images = np.load({images!r})
    np.save({found!r}, encoder.predict(images, verbose=0))
else:
    sys.exit("and_tf can be imported: nothing is shown")
"""


def test_a_plain_encoder_opens_without_this_package(tmp_path):
    encoder = encoders.build("small", SIDE, DIM, width=0.25)
    encoder(IMAGES, training=True)  # Moves its statistics.
    nested = keras.Sequential([encoder, LAYERS.ReLU()])
    paths = {n: str(tmp_path / n) for n in ("e.keras", "x.npy", "found.npy")}
    encoders.plain(nested).save(paths["e.keras"])
    with zipfile.ZipFile(paths["e.keras"]) as file:
        assert b"and_tf" not in file.read("config.json")
    np.save(paths["x.npy"], IMAGES)
    script = tmp_path / "opening.py"
    script.write_text(
        OPENING.format(
            path=paths["e.keras"],
            images=paths["x.npy"],
            found=paths["found.npy"],
        )
    )
    # Isolated: neither the checkout nor PYTHONPATH is looked through.
    subprocess.run(
        [sys.executable, "-I", str(script)], check=True, cwd=tmp_path
    )
    np.testing.assert_allclose(
        np.load(paths["found.npy"]),
        nested.predict(IMAGES, verbose=0),
        atol=1e-6,
    )
    with pytest.raises(InputError, match="functional or sequential"):
        encoders.plain(called(Subclassed()))
