"""Files from outside that hold something else."""

from __future__ import annotations

import json

import pytest

from and_tf.sweeping import claims
from and_tf.sweeping.run_status import outcome_of
from and_tf.training import result_file
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import records, schemas
from and_tf.utils.errors import InputError

TRAINING = {
    "knn_top1_last": 0.5,
    "knn_top1_best": None,
    "knn_protocol": {
        "K": 200,
        "temperature": 0.1,
        "queries": "a",
        "gallery_last": "b",
        "gallery_best": "c",
    },
    "neighbourhoods": [{"round": 0, "knn_clean": None}],
    "epochs": 3,
    "of a later version": [1],
}
CLUSTERING = {
    "kind": "scan",
    "cluster_sizes": [3],
    "acc": None,
    "protocol": {"matched_on": "a", "num_queries": 3},
    "kmeans": None,
}


def without(record, name):
    return {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    "record",
    [
        TRAINING,
        CLUSTERING,
        {"evaluation": {"knn": {"top1": 0.5}}},
        {"evaluation_of": {"round_1": {"knn": {}}}},
        {},
    ],
)
def test_reads_results_with_all_that_is_in_them(tmp_path, record):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(record))
    assert result_file.read(path) == record


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("null", "expected `object`, got `null`"),
        ("[]", "expected `object`, got `array`"),
        ("3", "got `int`"),
        ('{"x": 1}', "missing required field"),
        ("", "truncated"),
        ("{", "truncated"),
        ('{"epochs": NaN}', "malformed"),
        ("[" * 10**5, "too many to be read"),
        (b"\xff\xfe", "malformed"),
        (json.dumps(without(TRAINING, "neighbourhoods")), "`neighbourhoods`"),
        (json.dumps({**TRAINING, "epochs": "3"}), r"`\$.epochs`"),
        (json.dumps({**TRAINING, "neighbourhoods": [1]}), r"neighbourhoods\["),
        (json.dumps({**CLUSTERING, "cluster_sizes": {}}), "cluster_sizes`"),
        (json.dumps({**TRAINING, "knn_protocol": {}}), "`K`.*knn_protocol"),
        (json.dumps({**CLUSTERING, "protocol": {}}), "`matched_on`"),
        (json.dumps({**CLUSTERING, "kmeans": {"acc": []}}), r"kmeans.acc`"),
        (
            json.dumps({**CLUSTERING, "without_labels": {"confidence": []}}),
            "without_labels.confidence`",
        ),
        ('{"evaluation": []}', r"`\$.evaluation`"),
        ('{"evaluation": {"knn": 1}}', r"`\$.evaluation\[...\]`"),
    ],
)
def test_refuses_other_results_in_one_sentence(tmp_path, content, words):
    path = tmp_path / "result.json"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    for read in (
        RunDirectory(tmp_path).read_result,
        lambda: outcome_of(tmp_path),
        lambda: RunDirectory(tmp_path).add_evaluation("knn", {}),
    ):
        with pytest.raises(InputError, match=f"{path}.*{words}") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_says_that_a_file_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="Is a directory"):
        result_file.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,loss\n0,1.5,7\n", "line 2 has more cells"),
        ("epoch,loss\n0,x\n", "loss in line 2 is 'x', no number"),
        ("epoch,loss\n1.5,2\n", "epoch in line 2 is '1.5', no integer"),
        ("epoch,loss\n,2\n", "line 2 has no epoch"),
        ("loss\n2\n", "line 2 has no epoch"),
        ('epoch,loss\n0,"1', "unexpected end of data"),
        ("epoch,l\xfcss\n0,1\n".encode("latin-1"), "utf-8"),
    ],
)
def test_refuses_other_metrics_in_one_sentence(tmp_path, text, words):
    directory = RunDirectory(tmp_path)
    directory.metrics.write_bytes(
        text if isinstance(text, bytes) else text.encode()
    )
    with pytest.raises(InputError, match=f"metrics.csv.*{words}"):
        directory.read_metrics()


def test_reads_metrics_that_end_early(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.metrics.write_text("epoch,loss,knn_bank\n0,1.5\n1,2,\n")
    assert directory.read_metrics() == [
        {"epoch": 0, "loss": 1.5}, {"epoch": 1, "loss": 2.0}
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"[1]", b"null", b'{"host": 1}'])
def test_a_damaged_claim_is_dead_by_its_age_alone(tmp_path, content):
    run = tmp_path / "seed_0"
    (tmp_path / "seed_0.claim_1").write_bytes(content)
    assert claims.holder(run) == "?, process None"  # It is new.


@pytest.mark.parametrize("name", ["x", "1 (copy)", "01", "1\n", "", "9" * 99])
def test_stray_claims_are_passed_over(tmp_path, name):
    run = tmp_path / "seed_0"
    (tmp_path / f"seed_0.claim_{name}").write_text("{}")
    assert claims.holder(run) is None
    claim = claims.take(run)
    assert claim is not None and claims.take(run) is None
    claim.finish()


def test_claims_of_a_run_with_brackets_in_its_name(tmp_path):
    run = tmp_path / "train_split=train[:9]" / "seed_0[1]"
    claim = claims.take(run)
    assert claims.take(run) is None
    claim.finish()


def test_gives_plain_values_whatever_the_schema_leaves_out():
    found = records.decode(b'{"image_size": 32, "x": 1}', schemas.EncoderNote)
    assert found == {"image_size": 32, "x": 1}


@pytest.mark.parametrize(
    "error", [KeyError("pretext"), TypeError("no\ntext"), ZeroDivisionError()]
)
def test_what_a_result_lacks_is_one_sentence(tmp_path, error):
    path = tmp_path / "result.json"
    with pytest.raises(InputError, match="as a run wrote it") as caught:
        with result_file.using(path):
            raise error
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert type(error).__name__ in str(caught.value)
    assert caught.value.__cause__ is error
    with pytest.raises(InputError, match="^Expected mine.$"):
        with result_file.using(path):
            raise InputError("Expected mine.")
