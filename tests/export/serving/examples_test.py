"""docs/examples/serving: the server, stopped at work too, and Dockerfiles."""

from __future__ import annotations

import base64
import concurrent.futures
import importlib.util
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import sysconfig
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import numpy as np
import pytest
import requests
import tensorflow as tf
from packaging.requirements import Requirement

from and_tf.training.run import Run
from tests.export import exports

ROOT = pathlib.Path(__file__).parents[3]
SERVING = ROOT / "docs" / "examples" / "serving"
DOCKERFILES = sorted(SERVING.glob("*.Dockerfile"))
HADOLINT = pathlib.Path(sysconfig.get_path("scripts")) / "hadolint"


@pytest.fixture(scope="module")
def server():
    """The server's module, which is no part of a package."""
    path = SERVING / "wsgi_server.py"
    spec = importlib.util.spec_from_file_location("wsgi_server", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ask(server, digits_run):
    """A function that sends a request to the application itself."""
    encoder = server.Encoder(exports.exported(digits_run).parent)
    # Which holds the application and this function to WSGI's rules.
    application = validator(server.application(encoder))

    def ask(path, body=b"", kind="", method="POST", query=""):
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": kind,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        setup_testing_defaults(environ)
        statuses = []
        answer = application(environ, lambda *status: statuses.append(status))
        content = json.loads(b"".join(answer))
        answer.close()
        return int(statuses[0][0].split()[0]), content

    return ask


def instances(files, **parameters) -> bytes:
    """A request as Vertex AI sends it."""
    content = [{"b64": base64.b64encode(data).decode()} for data in files]
    return json.dumps({"instances": content, "parameters": parameters}).encode()


def test_files_and_pixels_are_embedded(ask, digits_run):
    images = Run(digits_run).images.test.images[:3]
    expected = Run(digits_run).encoder(images, training=False)
    files = exports.files(images)
    asked = {
        "json": ask("/predict", instances(files), "application/json"),
        "pixels": ask(
            "/predict",
            images.tobytes(),
            "application/octet-stream",
            query="height=8&width=8",
        ),
    }
    for status, content in asked.values():
        assert status == 200
        found = [each["embedding"] for each in content["predictions"]]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    status, content = ask("/predict", files[0], "image/png")
    assert status == 200
    (one,) = content["predictions"]
    np.testing.assert_allclose(one["embedding"], expected[0], atol=1e-5)


def test_classes_are_those_of_the_model(ask, digits_run):
    files = exports.files(Run(digits_run).images.test.images[:4])
    expected = exports.signatures(exports.exported(digits_run))[
        "classify_bytes"
    ](image_bytes=tf.constant(files))
    body = instances(files, signature="classify")
    status, content = ask("/predict", body, "application/json; charset=utf-8")
    assert status == 200
    for i, found in enumerate(content["predictions"]):
        assert found["class_name"] == expected["class_name"][i].numpy().decode()
        np.testing.assert_allclose(
            found["score"], expected["score"][i], atol=1e-5
        )
    status, one = ask("/predict", files[0], query="signature=classify")
    assert status == 200
    (found,) = one["predictions"]
    assert found["label"] == content["predictions"][0]["label"]


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ({"path": "/"}, 404, "nothing is at /"),
        ({"path": "/predict", "method": "GET"}, 405, "wants POST"),
        ({"path": "/health"}, 405, "wants GET"),
        ({"path": "/predict", "body": b"text"}, 400, "cannot be decoded"),
        (
            {"path": "/predict", "query": "signature=sort"},
            400,
            "no signature 'sort'",
        ),
        # Of pixels, asked about a file.
        (
            {"path": "/predict", "query": "signature=serving_default"},
            400,
            "no signature",
        ),
    ],
)
def test_what_is_not_served_is_said(ask, request_, status, message):
    found, content = ask(**request_)
    assert found == status
    assert message in content["error"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b"1", b"{}", b'{"instances": [1]}',
     b'{"instances": [{"b64": "?"}]}', b'{"instances": []}', b"[" * 100_000,
     b'{"instances": [{"b64": ""}], "parameters": 1}'],
)  # fmt: skip
def test_json_of_another_form_is_refused(ask, body):
    status, content = ask("/predict", body, "application/json")
    assert status == 400
    assert "expected" in content["error"]


@pytest.mark.parametrize(
    "query",
    ["", "height=8", "height=8&width=x", "height=-1&width=8",
     "height=0&width=8", "height=7&width=8"],
)  # fmt: skip
def test_pixels_of_another_number_are_refused(ask, query):
    kind = "application/octet-stream"
    status, content = ask("/predict", bytes(8 * 8 * 3), kind, query=query)
    assert status == 400
    assert "expected" in content["error"]


@pytest.mark.parametrize(
    ("length", "status"),
    [("", 411), ("-1", 411), ("1e3", 411), (str(16 * 2**20 + 1), 413)],
)
def test_a_long_request_is_refused_unread(server, length, status):
    environ = {"PATH_INFO": "/predict", "REQUEST_METHOD": "POST"}
    environ["CONTENT_LENGTH"] = length
    answers = []
    server.application(None)(environ, lambda *answer: answers.append(answer))
    assert answers[0][0].startswith(f"{status} ")


def test_too_many_images_are_refused(ask, server):
    files = [b""] * (server.MOST_IMAGES + 1)
    status, content = ask("/predict", instances(files), "application/json")
    assert (status, content) == (400, {"error": "expected 1 to 64 images"})


class Waiting(tf.Module):
    """A model that says when it is asked, and waits for a file."""

    def __init__(self, place: pathlib.Path) -> None:
        super().__init__()

        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")],
            autograph=False,
        )
        def files(image_bytes):
            said = tf.print("asked")

            def look(turn, found):
                # Each turn has a pattern of its own; else TensorFlow would
                # look once, before the loop.
                none = tf.strings.substr(tf.as_string(turn), 0, 0)
                pattern = tf.strings.join([f"{place}/go*", none])
                return turn + 1, tf.size(tf.io.matching_files(pattern))

            with tf.control_dependencies([said]):
                looked = tf.while_loop(
                    lambda turn, found: found == 0, look, [0, 0]
                )
            with tf.control_dependencies(looked):
                return {"embedding": tf.ones([tf.size(image_bytes), 2])}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None, None, 3], tf.uint8, "images")
            ],
            autograph=False,
        )
        def pixels(images):
            return {"embedding": tf.ones([tf.shape(images)[0], 2])}

        tf.saved_model.save(
            self,
            str(place / "1"),
            {"serving_bytes": files, "serving_default": pixels},
        )


def test_a_process_finishes_what_it_has_begun(tmp_path):
    """With the port and the routes that Vertex AI names, and SIGTERM."""
    Waiting(tmp_path)
    environment = {
        "AIP_HTTP_PORT": "0",  # Any that is free.
        "AIP_HEALTH_ROUTE": "/alive",
        "AIP_PREDICT_ROUTE": "/ask",
        "MODEL": str(tmp_path),
    }
    config = f"--config={SERVING / 'gunicorn.conf.py'}"
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", config],
        cwd=tmp_path,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def read_until(words: str) -> str:
        for line in process.stdout:
            if words in line:
                return line
        raise AssertionError(f"it ended without {words!r}")

    with process, concurrent.futures.ThreadPoolExecutor() as threads:
        try:
            line = read_until("Listening at")
            (port,) = re.findall(r"http://[\d.]+:(\d+)", line)
            url = f"http://localhost:{port}"
            assert requests.get(f"{url}/alive").json() == {"status": "ready"}
            assert requests.get(f"{url}/health").status_code == 404
            answer = threads.submit(requests.post, f"{url}/ask", b"file")
            read_until("asked")
            process.send_signal(signal.SIGTERM)
            read_until("Handling signal: term")
            (tmp_path / "go").touch()
            assert answer.result().json() == {
                "predictions": [{"embedding": [1.0, 1.0]}]
            }
            process.stdout.read()
            assert process.wait() == 0
        finally:
            (tmp_path / "go").touch()
            process.terminate()


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_are_sound(path):
    found = subprocess.run(
        [str(HADOLINT), str(path)], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_copy_what_is_there(path):
    text = path.read_text("utf-8").replace("\\\n", " ")
    copied = {}
    for line in re.findall(r"^COPY (.*)$", text, re.M):
        *sources, target = line.split()
        for source in sources:
            if source != "${MODEL}":
                assert (ROOT / source).is_file(), source
            copied[pathlib.Path(source).name] = target
    assert "${MODEL}" in copied
    # Files that its command names lie where it has put them.
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.M)
    for argument in json.loads(command):
        for name in re.findall(r"=/serving/(\S+)", argument):
            assert copied[name] == "/serving/"
    if "gunicorn" in json.loads(command):
        assert f"MODEL={copied['${MODEL}']} " in text
        assert copied["gunicorn.conf.py"] == copied["wsgi_server.py"] == "./"
    else:
        config = (ROOT / "export/serving/models.config").read_text("utf-8")
        assert f'base_path: "{copied["${MODEL}"]}"' in config


def test_the_server_runs_with_the_versions_of_the_project():
    def read(path: pathlib.Path) -> dict[str, Requirement]:
        lines = re.findall(r"^[a-z][^#\n]*", path.read_text("utf-8"), re.M)
        found = (Requirement(line.strip()) for line in lines)
        return {requirement.name: requirement for requirement in found}

    needed = read(SERVING / "requirements.txt")
    known = read(ROOT / "requirements.txt") | read(
        ROOT / "requirements-dev.txt"
    )
    assert set(needed) == {"tensorflow", "gunicorn"}
    for name, requirement in needed.items():
        assert requirement == known[name]
