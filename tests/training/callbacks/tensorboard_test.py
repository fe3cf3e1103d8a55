"""What TensorBoard finds in a run's folder, read with its own readers."""

import dataclasses
import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import plugin_data_pb2

from and_tf.method.discovery import Neighbourhoods
from and_tf.training.callbacks.tensorboard import (
    TensorBoardWriter,
    spread,
)

N = 12
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)
LABELS = np.arange(N) % 3
NAMES = ("cat", "tab\tby", "ü")


def read(directory: pathlib.Path) -> EventAccumulator:
    return EventAccumulator(str(directory)).Reload()


def scalars(directory: pathlib.Path, tag: str) -> list[tuple[int, float]]:
    events = read(directory).Tensors(tag)
    return [(e.step, float(tf.make_ndarray(e.tensor_proto))) for e in events]


def test_logs_become_scalars_at_the_finished_epochs(tmp_path) -> None:
    writer = TensorBoardWriter(tmp_path)
    writer.on_epoch_end(0, {"loss": 5.5, "round": 0, "custom": 1})
    writer.on_epoch_end(1, {"loss": 4.5, "knn_bank": 0.25, "anchors": 7})
    writer.on_epoch_end(2, None)

    assert scalars(tmp_path, "loss") == [(1, 5.5), (2, 4.5)]
    assert scalars(tmp_path, "knn/bank") == [(2, 0.25)]
    assert scalars(tmp_path, "neighbourhoods/anchors") == [(2, 7)]
    assert set(read(tmp_path).Tags()["tensors"]) == {
        "loss",
        "knn/bank",
        "neighbourhoods/anchors",
    }


def test_every_epoch_is_on_disk_before_the_next(tmp_path) -> None:
    writer = TensorBoardWriter(tmp_path)
    for epoch in range(3):
        writer.on_epoch_end(epoch, {"loss": 1.0})
        assert len(scalars(tmp_path, "loss")) == epoch + 1


@pytest.mark.parametrize("finished", [0, 1, 2, 3])
def test_a_resumed_run_has_every_epoch_once(tmp_path, finished) -> None:
    """The first process wrote two epochs, to a file that is cut short."""
    logs = [{"epoch": e, "loss": float(e), "knn_bank": 0.5} for e in range(4)]
    writer = TensorBoardWriter(tmp_path, {"rounds": 2})
    for row in logs[:2]:
        writer.on_epoch_end(row["epoch"], row)
    writer.write_neighbourhoods(neighbourhoods(4), IMAGES, None, 1)
    writer.write_result({"knn_top1_last": 0.5}, 2)
    writer.close()
    (path,) = tmp_path.glob("events*")
    path.write_bytes(path.read_bytes() + b"begun, not ended")

    again = TensorBoardWriter(tmp_path, {"rounds": 2}, logs[:finished])
    for row in logs[finished:]:
        again.on_epoch_end(row["epoch"], row)
    again.close()

    for tag in ("loss", "knn/bank"):
        assert [step for step, _ in scalars(tmp_path, tag)] == [1, 2, 3, 4]
    tags = read(tmp_path).Tags()["tensors"]
    assert ("neighbourhoods" in tags) == (finished > 1)
    assert not any(tag.startswith("final/") for tag in tags)
    assert len([tag for tag in tags if "_hparams_" in tag]) == 1


def test_a_round_that_is_under_way_keeps_its_pictures(tmp_path) -> None:
    writer = TensorBoardWriter(tmp_path)
    writer.write_neighbourhoods(neighbourhoods(4), IMAGES, None, 1)
    writer.close()
    history = [{"epoch": 0, "loss": 1.0}]
    TensorBoardWriter(tmp_path, None, history, first_step=3).close()
    assert "neighbourhoods" in read(tmp_path).Tags()["tensors"]
    TensorBoardWriter(tmp_path, None, history).close()
    assert "neighbourhoods" not in read(tmp_path).Tags()["tensors"]


def neighbourhoods(is_anchor: int) -> Neighbourhoods:
    return Neighbourhoods(
        round=1,
        entropy=np.linspace(1, 2, N, dtype=np.float32),
        neighbours=(np.arange(N, dtype=np.int32)[:, None] + 1) % N,
        is_anchor=np.arange(N) < is_anchor,
    )


def test_a_round_gives_histograms_and_a_picture(tmp_path) -> None:
    writer = TensorBoardWriter(tmp_path)
    found = dataclasses.replace(neighbourhoods(4), recall=0.75)
    writer.write_neighbourhoods(found, IMAGES, LABELS, 20, NAMES)
    events = read(tmp_path)
    (event,) = events.Tensors("neighbourhoods/recall")
    assert tf.make_ndarray(event.tensor_proto) == 0.75

    for tag, count in (("selected", 4), ("unselected", N - 4)):
        (event,) = events.Tensors(f"entropy/{tag}")
        buckets = tf.make_ndarray(event.tensor_proto)  # left, right, count
        assert event.step == 20
        assert buckets[:, 2].sum() == count
    (event,) = events.Tensors("neighbourhoods")
    width, height, png = event.tensor_proto.string_val
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (int(width), int(height))
        assert image.getcolors(1 << 20)


def test_a_round_of_all_samples_without_labels(tmp_path) -> None:
    writer = TensorBoardWriter(tmp_path)
    writer.write_neighbourhoods(
        neighbourhoods(N), lambda numbers: IMAGES[numbers], None, 20
    )
    assert set(read(tmp_path).Tags()["tensors"]) == {
        "entropy/selected",
        "neighbourhoods",
    }


def test_flags_and_results_are_for_the_hparams_tab(tmp_path) -> None:
    flags = {"rounds": 4, "rate": 0.03, "resume": True, "name": "a", "no": None}
    writer = TensorBoardWriter(tmp_path, flags)
    writer.write_result({"knn_top1_last": 0.5}, step=9)

    (path,) = tmp_path.glob("events*")
    (content,) = [
        value.metadata.plugin_data.content
        for record in tf.data.TFRecordDataset(str(path))
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    ]
    session = plugin_data_pb2.HParamsPluginData.FromString(
        content
    ).session_start_info
    values = {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in session.hparams.items()
    }
    assert values == flags | {"no": "None"}
    assert scalars(tmp_path, "final/knn_top1_last") == [(9, 0.5)]


def config(directory: pathlib.Path) -> projector.ProjectorConfig:
    text = (directory / "projector_config.pbtxt").read_text()
    return text_format.Parse(text, projector.ProjectorConfig())


def test_the_projector_gets_points_names_and_thumbnails(tmp_path) -> None:
    points = np.random.default_rng(1).normal(size=(N, 5)).astype(np.float32)
    labels = np.where(np.arange(N) == 3, -1, LABELS)
    writer = TensorBoardWriter(tmp_path)
    writer.write_projector(points, np.arange(N), IMAGES, labels, NAMES)

    (entry,) = config(tmp_path).embeddings
    for path in (
        entry.tensor_path,
        entry.metadata_path,
        entry.sprite.image_path,
    ):
        assert not pathlib.Path(path).is_absolute()
    np.testing.assert_allclose(
        np.loadtxt(tmp_path / entry.tensor_path, delimiter="\t"),
        points,
        rtol=1e-4,
    )
    lines = (tmp_path / entry.metadata_path).read_text("utf-8").splitlines()
    assert lines[:5] == [
        "class\tnumber",
        "cat\t0",
        "tab\\tby\t1",
        "ü\t2",
        "-1\t3",
    ]
    assert len(lines) == 1 + N
    side = entry.sprite.single_image_dim[0]
    with Image.open(tmp_path / entry.sprite.image_path) as sheet:
        assert sheet.size == (4 * side, 3 * side)
        assert sheet.getpixel((side, 0)) == tuple(IMAGES[1, 0, 0])


@pytest.mark.parametrize("labels", [None, LABELS])
def test_the_projector_takes_a_spread_of_many_points(
    tmp_path, monkeypatch: pytest.MonkeyPatch, labels: np.ndarray | None
) -> None:
    monkeypatch.setattr("and_tf.training.callbacks.tensorboard.MOST_POINTS", 4)
    asked = []

    def fetch(numbers: np.ndarray) -> np.ndarray:
        asked.extend(numbers.tolist())
        return IMAGES[numbers]

    writer = TensorBoardWriter(tmp_path)
    numbers = spread(N)
    writer.write_projector(np.eye(N)[numbers], numbers, fetch, labels)

    assert asked == [0, 3, 6, 9]
    points = np.loadtxt(tmp_path / "embeddings.tsv", delimiter="\t")
    np.testing.assert_array_equal(points, np.eye(N)[asked])
    lines = (tmp_path / "metadata.tsv").read_text().splitlines()
    if labels is None:
        assert lines == ["0", "3", "6", "9"]
    else:
        assert lines == ["class\tnumber", "0\t0", "0\t3", "0\t6", "0\t9"]
