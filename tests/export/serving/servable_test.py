"""What a SavedModel answers, against the training code and NumPy."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from and_tf.data.image_file import read_image
from and_tf.data.preprocessing import centre_square
from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.knn import weighted_knn
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from export.embeddings import gallery
from export.embeddings.gallery import Gallery
from export.serving.servable import Options, Servable
from tests.export import exports


@pytest.fixture(scope="module")
def run(digits_run):
    return Run(digits_run)


@pytest.fixture(scope="module")
def images(run):
    return run.images


@pytest.fixture(scope="module")
def rows(run, images):
    return embed(run.encoder, images.train, run.image_size)


@pytest.fixture(scope="module")
def served(digits_run):
    return exports.signatures(exports.exported(digits_run))


def ask(served, signature, values):
    of_files = signature.endswith("_bytes")
    name, dtype = ("image_bytes", tf.string) if of_files else ("images", None)
    outputs = served[signature](**{name: tf.constant(values, dtype)})
    return {name: value.numpy() for name, value in outputs.items()}


def test_embeddings_are_those_of_training(run, images, served):
    expected = embed(run.encoder, images.test, run.image_size)
    test = images.test.images
    plain = ask(served, "serving_default", test)["embedding"]
    encoded = ask(served, "serving_bytes", exports.files(test))["embedding"]
    assert plain.dtype == np.float32
    np.testing.assert_allclose(plain, expected, atol=1e-5)
    np.testing.assert_allclose(encoded, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8), (31, 20), (5, 64), (1, 1)])
def test_images_may_have_any_size(run, served, shape, rng):
    images = rng.integers(0, 256, (3, *shape, 3), np.uint8)
    expected = run.encoder(centre_square(images, 8), training=False)
    for signature, values in (
        ("serving_default", images),
        ("serving_bytes", exports.files(images)),
    ):
        received = ask(served, signature, values)["embedding"]
        np.testing.assert_allclose(received, expected, atol=1e-5)


def test_files_of_one_batch_may_differ_in_size_and_kind(run, served, rng):
    encoded = []
    for i, kind in enumerate(["JPEG", "PNG"] * 3):
        pixels = rng.integers(0, 256, (20 + 3 * i, 40 - i, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        encoded.append(file.getvalue())
    squares = [centre_square(read_image(io.BytesIO(e)), 8) for e in encoded]
    np.testing.assert_allclose(
        ask(served, "serving_bytes", encoded)["embedding"],
        run.encoder(np.array(squares), training=False),
        atol=1e-5,
    )


@pytest.mark.parametrize("head", ["serving", "neighbours", "classify"])
def test_an_empty_batch_is_answered(served, head):
    plain = "serving_default" if head == "serving" else head
    for signature, values in (
        (plain, np.zeros((0, 9, 9, 3), np.uint8)),
        (f"{head}_bytes", []),
    ):
        for output in ask(served, signature, values).values():
            assert output.shape[0] == 0


def test_neighbours_are_the_most_similar(images, rows, served):
    queries = images.test.images[:20]
    embeddings = ask(served, "serving_default", queries)["embedding"]
    similarity = embeddings @ rows.T
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :3]
    for signature, values in (
        ("neighbours", queries),
        ("neighbours_bytes", exports.files(queries)),
    ):
        found = ask(served, signature, values)
        assert found.keys() == {"index", "similarity"}
        assert found["index"].dtype == np.int64
        np.testing.assert_allclose(
            found["similarity"],
            np.take_along_axis(similarity, expected, axis=1),
            atol=1e-5,
        )
        np.testing.assert_allclose(  # Whichever of equals is named.
            np.take_along_axis(similarity, found["index"], axis=1),
            found["similarity"],
            atol=1e-5,
        )


def test_a_training_image_is_its_own_neighbour(images, served):
    found = ask(served, "neighbours", images.train.images[:50])
    np.testing.assert_allclose(found["similarity"][:, 0], 1, atol=1e-5)


def votes(embeddings, rows, labels, classes, neighbours, temperature):
    """Shares of the votes, float64 [Q, C], image by image."""
    rows, labels = rows[labels >= 0], labels[labels >= 0]
    shares = np.zeros((len(embeddings), classes))
    for i, embedding in enumerate(embeddings.astype(np.float64)):
        similarity = rows @ embedding
        for j in np.argsort(-similarity)[:neighbours]:
            shares[i, labels[j]] += np.exp(similarity[j] / temperature)
    return shares / shares.sum(axis=1, keepdims=True)


def test_classes_are_those_of_the_evaluation(images, rows, served):
    test, train = images.test, images.train
    found = ask(served, "classify_bytes", exports.files(test.images))
    embeddings = ask(served, "serving_default", test.images)["embedding"]
    options = dict(neighbours=20, temperature=0.2)
    expected = weighted_knn(
        embeddings, test.labels, rows, train.labels, **options
    )
    np.testing.assert_array_equal(found["label"], expected.predictions)
    np.testing.assert_allclose(
        found["score"],
        votes(embeddings, rows, train.labels, 10, **options),
        atol=1e-4,
    )
    np.testing.assert_allclose(found["score"].sum(axis=1), 1, atol=1e-5)
    names = [name.decode() for name in found["class_name"]]
    assert names == [train.class_names[label] for label in found["label"]]


def served_by(run, options, images, tmp_path):
    """Signatures that were saved and loaded again."""
    (tmp_path / "names").mkdir()
    model = Servable(run, options, images, tmp_path / "names")
    tf.saved_model.save(model, str(tmp_path / "1"), signatures=model.functions)
    return exports.signatures(tmp_path / "1")


def test_unlabelled_rows_have_no_vote(run, images, rows, tmp_path, rng):
    labels = np.where(rng.random(len(rows)) < 0.7, -1, images.train.labels)
    options = Options(classify=True, knn_temperature=0.002)
    served = Servable(run, options, Gallery(rows, labels), tmp_path).functions
    queries = images.test.images
    found = ask(served, "classify", queries)
    embeddings = ask(served, "serving_default", queries)["embedding"]
    expected = votes(embeddings, rows, labels, 10, 200, 0.002)
    # At so small a τ, a difference of 1e-6 in cos is one of 5e-4 in a vote.
    np.testing.assert_allclose(found["score"], expected, atol=5e-3)
    # Without names, classes go by their numbers.
    assert [int(name) for name in found["class_name"]] == list(found["label"])


def test_more_voters_than_labelled_rows_are_as_many_as_there_are(
    run, rows, images, tmp_path
):
    labels = np.where(np.arange(len(rows)) < 7, images.train.labels, -1)
    options = Options(classify=True)
    served = Servable(run, options, Gallery(rows, labels), tmp_path).functions
    queries = images.test.images[:9]
    embeddings = ask(served, "serving_default", queries)["embedding"]
    np.testing.assert_allclose(
        ask(served, "classify", queries)["score"],
        votes(embeddings, rows, labels, labels.max() + 1, 200, 0.1),
        atol=1e-4,
    )


def test_neighbours_are_named(run, rows, images, tmp_path):
    """By whatever a file may be called."""
    names = [f"a b/{i}.jpg" for i in range(len(rows) - 2)]
    names += [
        "grüße/ß,“x”\t.png",
        b"latin-\xe9.png".decode(errors="surrogateescape"),
    ]
    served = served_by(
        run, Options(neighbours=2), Gallery(rows, file_names=tuple(names)),
        tmp_path,
    )  # fmt: skip
    found = ask(served, "neighbours", images.train.images)
    expected = np.array(
        [name.encode(errors="surrogateescape") for name in names], object
    )
    np.testing.assert_array_equal(found["file_name"], expected[found["index"]])
    assert {b"latin-\xe9.png", "grüße/ß,“x”\t.png".encode()} <= set(
        found["file_name"].ravel()
    )


@pytest.mark.parametrize("neighbours", [0, 4])
def test_weights_are_stored_once_and_rows_when_asked(
    run, rows, tmp_path, neighbours
):
    served_by(run, Options(neighbours=neighbours), Gallery(rows), tmp_path)
    weights = sum(int(np.prod(v.shape)) * 4 for v in run.encoder.variables)
    expected = weights + (rows.nbytes if neighbours else 0)
    stored = sum(
        file.stat().st_size for file in (tmp_path / "1" / "variables").iterdir()
    )
    assert expected < stored < 1.05 * expected + 8192
    # Nor are they constants of the graph, whose size is of its nodes alone.
    data = tf.saved_model.load(str(tmp_path / "1")).signatures.values()
    for function in data:
        for node in function.graph.as_graph_def().node:
            assert node.attr["value"].tensor.ByteSize() < 1024


def test_functions_capture_variables_and_tables_alone(run, rows, images):
    model = Servable(run, Options(), None, None)
    variables = {id(v.value.handle) for v in run.encoder.variables}
    for function in model.functions.values():
        captured = function.get_concrete_function().captured_inputs
        assert {id(tensor) for tensor in captured} <= variables


def test_what_cannot_be_decoded_is_named_by_its_position(served, images):
    good = exports.files(images.test.images[:2])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"positions \[1\]"
    ):
        ask(served, "classify_bytes", [good[0], good[1][:-40]])


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"neighbours": 451}, {}, "at most 450.*Received: 451"),
        ({"classify": True}, {"labels": None}, "Expected labels"),
        (
            {"neighbours": 1},
            {"file_names": ("a\nb",) * 450},
            "without line breaks",
        ),
    ],
)
def test_refuses(run, rows, tmp_path, options, changes, message):
    images = dataclasses.replace(Gallery(rows), **changes)
    with pytest.raises(InputError, match=message):
        Servable(run, Options(**options), images, tmp_path)


def of_folder(run, path):
    """The run, as if it had been trained on a folder of images."""
    config = TrainConfig(dataset="folder", data_dir=str(path), image_size=8)
    changed = Run(run.directory.path)
    changed.config = config
    return changed


def test_the_bank_needs_no_data(run):
    found = gallery.read(of_folder(run, "/nowhere"), "bank")
    assert found.rows.shape == (450, 32)
    np.testing.assert_allclose(np.linalg.norm(found.rows, axis=1), 1, atol=1e-5)
    assert found.labels is None and found.file_names is None


def test_a_clean_gallery_is_the_training_images_own(run, rows, images, capsys):
    found = gallery.read(run, "clean")
    assert "embed 450/450" in capsys.readouterr().err
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.labels, images.train.labels)
    bank = gallery.read(run, "bank", labelled=True)
    np.testing.assert_array_equal(bank.labels, images.train.labels)
    assert 0.5 < np.sum(bank.rows * rows, axis=1).mean() < 1


def test_a_folder_gives_names_and_no_labels(run, tmp_path, rng):
    for i in range(3):
        pixels = rng.integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    folder = of_folder(run, tmp_path)
    assert gallery.read(folder, "clean").file_names == (
        "0.png", "1.png", "2.png",
    )  # fmt: skip
    with pytest.raises(InputError, match="Expected labels for --classify"):
        gallery.read(folder, "clean", labelled=True)
    folder.data_dir = str(tmp_path)  # So that the bank gets their names.
    with pytest.raises(InputError, match="450 training images.*Received: 3"):
        gallery.read(folder, "bank")
