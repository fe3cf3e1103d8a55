"""What a clustering is told: bounds, and what may be told later."""

from __future__ import annotations

import pytest

from and_tf.scan.config import ClusterConfig
from and_tf.utils.errors import InputError

ONCE = {"freeze": True, "augmentation": "none"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run_dir": ""}, "Expected --run_dir"),
        ({"clusters": 1}, "--clusters of 2 or more"),
        (
            {"augmentation": "mild"},
            "--augmentation to be one of strong, weak, none",
        ),
        ({"label_view": "strong"}, "--label_view to be one of clean, weak"),
        ({"threshold": 1.5}, "--threshold of at most 1. Received: 1.5"),
        ({"threshold": float("nan")}, "--threshold of at least 0"),
        ({"ema": 1.0}, "--ema of at most 0.99999"),
        ({"patience": -1}, "--patience of at least 0"),
        ({"self_labelling_epochs": -2}, "--self_labelling_epochs of at least"),
        ({"self_labelling_batch_size": 1}, "_batch_size of at least 2"),
        ({"self_labelling_learning_rate": 0.0}, "_learning_rate above 0"),
        ({"loss": "mse"}, "--loss to be one of scan, temi"),
        ({"beta": 0.5}, "--beta above 0.5"),
        (
            {
                "freeze": True,
                "augmentation": "none",
                "self_labelling_epochs": 3,
            },
            "--self_labelling_epochs=0 with --freeze and --augmentation=none",
        ),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(InputError, match=message):
        ClusterConfig(**{"run_dir": "runs/x", **changes})


def test_self_labelling_may_be_told_later():
    one = ClusterConfig(run_dir="x", self_labelling_epochs=0)
    other = ClusterConfig(
        run_dir="x", threshold=0.9, epochs=7, label_view="weak"
    )
    assert one.differences(other) == ["epochs"]
    # All processes of a run have to be told the same nevertheless.
    assert {"threshold", "self_labelling_epochs"} <= set(one.run_fields())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # The paper's.
        ({}, (1, 50, 128, 1e-4, 200)),
        ({"freeze": True}, (1, 50, 128, 1e-4, 200)),
        ({"augmentation": "none", "epochs": 3}, (1, 3, 128, 1e-4, 200)),
        (ONCE, (8, 20, 1024, 1e-3, 0)),
        (ONCE | {"learning_rate": 0.1}, (8, 20, 1024, 0.1, 0)),
    ],
)
def test_defaults_follow_what_is_learnt_from(changes, expected):
    config = ClusterConfig(run_dir="x", **changes)
    found = config.resolved
    assert expected == (
        found.heads,
        found.epochs,
        found.batch_size,
        found.learning_rate,
        found.self_labelling_epochs,
    )
    assert not config.differences(found)
