"""What a run says of the neighbourhoods that it discovers."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.method.discovery import discover
from and_tf.training.config import TrainConfig
from and_tf.training.train_callbacks import remarks
from tests.conftest import unit


@pytest.fixture
def rows(rng):
    return unit(rng.normal(size=(60, 256))).astype(np.float32)


def said(rows, temperature, round_number=1, **changes) -> list[str]:
    config = TrainConfig(run_dir="run", temperature=temperature, **changes)
    found = discover(
        rows,
        round_number=round_number,
        rounds=2,
        temperature=temperature,
        selection=config.selection,
        search_probes=config.search_probes,
    )
    return remarks(found, config)


def test_entropies_of_isolated_images_are_remarked_upon(rows):
    (remark,) = said(rows, 0.05)
    assert "half of the entropies are below 0.0" in remark
    assert "A --temperature above 0.05 selects others" in remark
    # The own row has little of p, or all images are anchors whatever their
    # entropy.
    assert said(rows, 0.5) == []
    assert said(rows, 0.05, round_number=2) == []
    assert said(rows, 0.05, selection="none") == []


def test_what_cells_find_is_told(rows):
    (remark,) = said(rows, 0.5, search_probes=1000)
    assert remark == (
        "100.0 % of the nearest neighbours were found in 1000 cells, as a "
        "sample says"
    )
