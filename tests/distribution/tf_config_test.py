"""TF_CONFIG: what is read of it, and what is refused."""

from __future__ import annotations

import json

import pytest

from and_tf.distribution import strategy, tf_config
from and_tf.utils.errors import InputError

TWO = {"worker": ["a:1", "b:2"]}


def config(jobs, task) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": task})}


@pytest.mark.parametrize(
    ("jobs", "task", "index"),
    [
        (TWO, {"type": "worker", "index": 0}, 0),
        (TWO, {"type": "worker", "index": "1"}, 1),
        ({**TWO, "chief": ["c:3"]}, {"type": "chief", "index": 0}, 0),
        ({**TWO, "chief": ["c:3"]}, {"type": "worker", "index": 1}, 2),
    ],
)
def test_finds_its_place(jobs, task, index):
    found = tf_config.read(config(jobs, task))
    assert found.index == index
    address = jobs[task["type"]][int(task["index"])]
    assert found.addresses[index] == address


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "Expected TF_CONFIG in the environment .* Received none"),
        ({"TF_CONFIG": " "}, "Received none"),
        ({"TF_CONFIG": "{"}, "Expected TF_CONFIG such as .* Received: {"),
        ({"TF_CONFIG": "[1]"}, r"Received: \[1\]"),
        ({"TF_CONFIG": "{}"}, "missing required field `cluster`"),
        ({"TF_CONFIG": "null"}, "expected `object`, got `null`"),
        ({"TF_CONFIG": "[" * 10**5}, "too many to be read"),
        (config(TWO, {"type": "worker"}), "missing required field `index`"),
        (config(TWO, {"type": 1, "index": 0}), "expected `str`, got `int`"),
        (config(TWO, {"type": "worker", "index": None}), "got `null`"),
        (config(TWO, {"type": "worker", "index": "x"}), "invalid literal"),
        (config({"worker": "a:1"}, {"type": "worker", "index": 0}), "`array`"),
        (config({"worker": [1]}, {"type": "worker", "index": 0}), "`str`"),
        (
            config({"worker": ["a:65536"]}, {"type": "worker", "index": 0}),
            "the port of 'a:65536' is none of 1 to 65535",
        ),
        (
            config({"worker": ["a:0"]}, {"type": "worker", "index": 0}),
            "the port of 'a:0' is none",
        ),
        (
            config({"chief": ["a:1", "b:1"]}, {"type": "chief", "index": 0}),
            "one chief at most, not 2",
        ),
        (config(TWO, {"type": "worker", "index": 2}), "no worker 2"),
        (config(TWO, {"type": "chief", "index": 0}), "no chief 0"),
        (config({"ps": ["a:1"]}, {"type": "ps", "index": 0}), "not ps"),
        (
            config({"worker": ["a"]}, {"type": "worker", "index": 0}),
            "'a' is no host:port",
        ),
        (
            config({"worker": ["a:1"] * 2}, {"type": "worker", "index": 0}),
            "twice",
        ),
    ],
)
def test_refuses_in_one_sentence(environment, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message) as caught:
        strategy.build("multi_worker")
    assert "\n" not in str(caught.value)


def test_auto_takes_the_processes_where_they_are_named(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(InputError, match="TF_CONFIG"):
        strategy.build("auto")
    assert strategy.build("default").num_replicas_in_sync == 1
    monkeypatch.delenv("TF_CONFIG")
    assert strategy.build("auto").num_replicas_in_sync == 1


def test_of_a_long_one_the_beginning_is_shown():
    with pytest.raises(InputError, match=" … ") as caught:
        tf_config.read({"TF_CONFIG": "[" + "1, " * 10_000 + "]"})
    assert len(str(caught.value)) < 2_000


def test_of_a_long_value_that_is_wrong_the_beginning_is_shown():
    task = {"type": "x" * 5_000, "index": 0}
    with pytest.raises(InputError, match="xxx … xxx.*Correct it") as caught:
        tf_config.read(config(TWO, task))
    assert len(str(caught.value)) < 4_000
