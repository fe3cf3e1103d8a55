"""What the page of a run says of what it was trained by."""

from __future__ import annotations

import types

import pytest

from and_tf.reporting.sections import outcome


def run_of(pretext: str, **result):
    config = types.SimpleNamespace(pretext=pretext)
    return types.SimpleNamespace(config=config, result=result)


@pytest.mark.parametrize(
    ("pretext", "uses_labels", "said"),
    [
        ("supervised", True, "with the labels: its figures say what labels"),
        ("rotation", False, "not by neighbourhood discovery; no label"),
    ],
)
def test_another_pretext_is_said_before_the_figures(pretext, uses_labels, said):
    run = run_of(pretext, uses_labels=uses_labels)
    text = outcome._pretext(run)
    assert f"--pretext={pretext}" in text and said in text
    assert outcome.pretext_of(run).startswith(f"{pretext}, with")


def test_of_neighbourhood_discovery_nothing_is_said():
    assert outcome._pretext(run_of("and")) == ""
