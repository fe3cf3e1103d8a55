"""The client against servers of both protocols over a real SavedModel."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from and_tf.data.image_file import read_image
from and_tf.data.preprocessing import centre_square
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from export.serving import answers_client, client_lib
from export.serving.answers_client import (
    GrpcClient,
    Refusal,
    RestClient,
    UndecodableError,
)
from tests import mains
from tests.export import exports, model_server
from tests.utils.cli_test import call

PROTOCOLS = ("grpc", "rest")

# Asks as users of ovmsclient do, whose messages and stubs are its own. It names
# a version always, and TensorFlow Serving takes its default, 0, for one too.
_INDEPENDENT = """
import json, sys
import numpy as np, ovmsclient
client = ovmsclient.make_grpc_client(sys.argv[1])
about = client.get_model_metadata("and", model_version=1)
images = {"images": np.load(sys.argv[2])}
found = client.predict(images, "and", model_version=1)
np.save(sys.argv[3], found)
try:
    client.predict(images, "and")
except ovmsclient.ModelNotFoundError as error:
    print(json.dumps([about, str(error), "tensorflow" in sys.modules]))
"""


@pytest.fixture(scope="module")
def model(digits_run):
    return model_server.Model(exports.exported(digits_run))


@pytest.fixture(scope="module")
def addresses(model):
    handler = model_server.rest_handler(model)
    with (
        model_server.grpc_server(model) as grpc_address,
        model_server.http_server(handler) as rest_address,
    ):
        yield {"grpc": grpc_address, "rest": rest_address}


@pytest.fixture(params=PROTOCOLS)
def address(request, addresses):
    return addresses[request.param]


@pytest.fixture(scope="module")
def test_images(digits_run):
    return Run(digits_run).images.test


@pytest.fixture
def photos(tmp_path, rng):
    """Seven files of five formats, as training may find them."""
    folder = tmp_path / "photos"
    kinds = ("a.jpg", "b/b.png", "b/c.webp", "d.bmp", "e.gif", "f.JPG", "g.png")
    for i, name in enumerate(kinds):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20 + i, 30 - i, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def connect(address, model_name="and", timeout=30.0):
    return client_lib.connect(address, model_name, timeout)


def test_an_address_tells_the_protocol():
    assert isinstance(connect("localhost:1"), GrpcClient)
    assert isinstance(connect("http://localhost:1"), RestClient)


def test_embeddings_are_those_of_the_encoder(address, digits_run, test_images):
    images = test_images.images[:9]
    received = connect(address).embed(exports.files(images))
    expected = Run(digits_run).encoder(images, training=False)
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_a_client_of_others_gets_the_same(
    addresses, digits_run, test_images, tmp_path
):
    """In a process without TensorFlow and without this project."""
    images = test_images.images[:5]
    asked, received = tmp_path / "images.npy", tmp_path / "embeddings.npy"
    np.save(asked, images)
    result = subprocess.run(
        [sys.executable, "-c", _INDEPENDENT]
        + [addresses["grpc"], str(asked), str(received)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    about, error, has_tensorflow = json.loads(result.stdout)
    assert not has_tensorflow
    assert about == {
        "model_version": 1,
        "inputs": {"images": {"shape": [-1, -1, -1, 3], "dtype": "DT_UINT8"}},
        "outputs": {"embedding": {"shape": [-1, 32], "dtype": "DT_FLOAT"}},
    }
    assert "Specific(and, 0)" in error
    expected = Run(digits_run).encoder(images, training=False)
    np.testing.assert_allclose(np.load(received), expected, atol=1e-5)


@pytest.mark.parametrize("signature", ["neighbours_bytes", "classify_bytes"])
def test_outputs_are_those_of_the_model(address, model, test_images, signature):
    encoded = exports.files(test_images.images[:5])
    received = connect(address).predict(signature, encoded)
    expected = model.predict(signature, {"image_bytes": encoded})
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        if value.dtype == object:
            value = value.astype(str)
            assert received[name].dtype.kind == "U"
        else:
            assert received[name].dtype == value.dtype
        np.testing.assert_array_equal(received[name], value)


def test_files_of_every_format_are_answered(
    address, model, photos, digits_run, capsys
):
    paths = client_lib.listed(str(photos))
    model.batches.clear()
    outputs = client_lib.ask(connect(address), "serving_bytes", paths, 3)
    assert model.batches == [3, 3, 1]
    assert list(outputs["file_name"]) == paths == sorted(paths)
    squares = [centre_square(read_image(path), 8) for path in paths]
    expected = Run(digits_run).encoder(np.array(squares))
    np.testing.assert_allclose(outputs["embedding"], expected, atol=1e-5)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == paths
    for line, embedding in zip(lines, outputs["embedding"], strict=True):
        assert float(line.split()[1]) == pytest.approx(embedding[0], abs=1e-4)


def test_lines_say_class_and_neighbours(address, photos, capsys):
    paths = client_lib.listed(str(photos / "*.png"))
    client = connect(address)
    found = client_lib.ask(client, "classify_bytes", paths, 8)
    near = client_lib.ask(client, "neighbours_bytes", paths, 8)
    lines = capsys.readouterr().out.splitlines()
    share = found["score"].max(axis=1)[0]
    assert lines[0].split() == [
        paths[0], found["class_name"][0], f"{share:.3f}",
    ]  # fmt: skip
    assert lines[1].split() == [
        paths[0],
        *(
            text
            for index, cos in zip(near["index"][0], near["similarity"][0])
            for text in (str(index), f"{cos:.3f}")
        ),
    ]


def test_broken_files_are_named(address, photos):
    for name in ("a.jpg", "g.png"):
        data = (photos / name).read_bytes()
        (photos / name).write_bytes(data[:-60])
    paths = client_lib.listed(str(photos))
    with pytest.raises(InputError) as error:
        client_lib.ask(connect(address), "serving_bytes", paths, 4)
    assert str(error.value) == (
        "Expected images that the server can decode. Received: "
        f"{photos / 'a.jpg'}. Repair or remove it."
    )
    with pytest.raises(InputError) as error:
        client_lib.ask(connect(address), "serving_bytes", paths, 32)
    assert f"{photos / 'a.jpg'}, {photos / 'g.png'}. Repair or remove them" in (
        str(error.value)
    )


def test_a_batch_of_another_client_is_not_blamed_on_ours(photos):
    """Merged on the server, it fails though each of our files is whole."""

    class Merged:
        def predict(self, signature, batch):
            if len(batch) > 1:
                raise UndecodableError("positions [9]")
            return {"embedding": np.zeros((1, 2))}

    with pytest.raises(UndecodableError, match=r"positions \[9\]"):
        client_lib.ask(
            Merged(), "serving_bytes", client_lib.listed(str(photos)), 4
        )


def test_positions_reach_whoever_asks_directly(address, test_images):
    encoded = exports.files(test_images.images[:3])
    with pytest.raises(UndecodableError) as error:
        connect(address).embed([b"", encoded[0], encoded[1][:-30]])
    assert str(error.value) == (
        "Expected encoded JPEG or PNG images. Received at positions [0 2] "
        "what cannot be decoded."
    )


def test_a_file_that_is_no_image_is_named_before_it_is_sent(photos):
    (photos / "a.jpg").write_text("text")
    with pytest.raises(InputError, match=r"Received: .*a\.jpg: it is no image"):
        client_lib.encoded(str(photos / "a.jpg"))
    with pytest.raises(InputError, match="No such file"):
        client_lib.encoded(str(photos / "x.jpg"))


@pytest.mark.parametrize(
    ("options", "signature", "message"),
    [
        ({"model_name": "or"}, "serving_bytes", "'or'; the server says: Serv"),
        (
            {},
            "sorting_bytes",
            "takes files: classify_bytes, neighbours_bytes, serving_bytes. "
            "Received: 'sorting_bytes'",
        ),
        ({}, "serving_default", "takes files: .*Received: 'serving_default'"),
    ],
)
def test_wrong_names_are_said(address, options, signature, message):
    with pytest.raises(InputError, match=message):
        connect(address, **options).predict(signature, [b""])


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_no_server_is_said(scheme):
    with socket.socket() as taken:  # Bound, and nobody listens.
        taken.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match=f"server at {address}.*refused"):
            connect(address).embed([b""])


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_silent_server_is_not_waited_for_for_ever(scheme):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"{scheme}127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=r"within 0\.2 s"):
            connect(address, timeout=0.2).embed([b""])


def test_an_answer_too_long_is_said(addresses, monkeypatch):
    lengths = [("grpc.max_receive_message_length", 64)]
    monkeypatch.setattr(answers_client, "_LENGTHS", lengths)
    with pytest.raises(InputError, match="64 MiB from .*smaller --batch_size"):
        connect(addresses["grpc"]).embed([b""])


def test_another_service_is_said():
    with model_server.http_server(
        http.server.SimpleHTTPRequestHandler
    ) as address:
        with pytest.raises(InputError, match="an answer of another service"):
            connect(address).embed([b""])


def test_other_errors_are_the_servers_own(address, model, monkeypatch):
    def fail(signature, inputs):
        raise ValueError("Task size 128 was larger than maximum")

    monkeypatch.setattr(model, "predict", fail)
    with pytest.raises(Refusal, match="error: .*Task size 128 was larger"):
        connect(address).embed([b""])


@pytest.mark.parametrize("pattern", ["nothing/*.jpg", "nothing.jpg", "[", ""])
def test_no_files_are_said(tmp_path, pattern):
    with pytest.raises(InputError, match="Expected"):
        client_lib.listed(str(tmp_path / pattern))


def test_command_writes_what_it_was_told(
    addresses, photos, tmp_path, monkeypatch, capsys
):
    arguments = [
        "export.client",
        f"--address={addresses['grpc']}",
        "--images=photos",
        "--signature=neighbours_bytes",
        "--output=near.npz",
    ]
    result = call(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 8
    assert lines[-1] == "wrote near.npz: file_name, index, similarity"
    assert result.stderr.startswith("ask 7/7")
    with np.load(tmp_path / "near.npz") as found:
        assert list(found["file_name"]) == [
            line.split()[0] for line in lines[:-1]
        ]
        assert found["index"].shape == (7, 3)

    monkeypatch.chdir(tmp_path)
    module, *flags = arguments
    again = mains.refusal(module, flags, capsys)
    assert "error: Expected a new file for --output" in again.err


def test_no_server_ends_in_one_sentence(photos, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        flags = [f"--address={address}", f"--images={photos}"]
        printed = mains.refusal("export.client", flags, capsys)
    (line,) = printed.err.splitlines()
    assert line.startswith(f"error: Expected a server at {address}. Received:")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected --images"),
        (["--images=x", "--address=localhost"], "host:port for gRPC"),
        (
            ["--images=x", "--batch_size=0"],
            "--batch_size of at least 1. Received: 0.",
        ),
        (["--images=x", "--timeout=nan"], "--timeout above 0. Received: nan."),
    ],
)
def test_wrong_flags_end_in_one_sentence(arguments, message, capsys):
    assert message in mains.refusal("export.client", arguments, capsys).err
