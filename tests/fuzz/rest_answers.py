"""Tries answers of a REST server on the client."""

from __future__ import annotations

import pathlib
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from export.serving import bounded_request, client_lib
from export.serving.answers_client import RestClient
from export.serving.bounded_request import Answer
from tests.fuzz import valid_images
from tests.fuzz.json_edits import Edited, edited
from tests.fuzz.target import Target, answer

SIGNATURE = "serving_bytes"
_KINDS = {"embedding": "DT_FLOAT", "label": "DT_INT64", "score": "DT_FLOAT",
          "class_name": "DT_STRING", "index": "DT_INT64",
          "similarity": "DT_FLOAT", "file_name": "DT_STRING"}  # fmt: skip
_OUTPUTS = {
    "embeds": {"embedding": [[0.5, 0.25]]},
    "classifies": {"label": [0], "score": [[0.5]], "class_name": ["cat"]},
    "finds": {
        "index": [[1]], "similarity": [[0.5]], "file_name": [["a.png"]],
    },
}  # fmt: skip


def _about(outputs: dict[str, Any]) -> dict[str, Any]:
    """Makes a server's metadata of a model with some outputs."""
    signature = {
        "inputs": {"image_bytes": {"dtype": "DT_STRING"}},
        "outputs": {name: {"dtype": _KINDS[name]} for name in outputs},
    }
    return {"metadata": {"signature_def": {"signature_def": {
        SIGNATURE: signature}}}}  # fmt: skip


ABOUTS = {name: _about(outputs) for name, outputs in _OUTPUTS.items()}
ANSWERS = {
    name: {"outputs": list(o.values())[0] if len(o) == 1 else o}
    for name, o in _OUTPUTS.items()
}


def make(directory: pathlib.Path) -> Target:
    """Makes a target that asks about one image and gets a drawn answer."""
    photo = directory / "a.png"
    photo.write_bytes(valid_images.files()["PNG RGB"])
    statuses = st.sampled_from((200, 200, 200, 400, 404, 500, 302))

    def check(value: tuple[Edited, Edited, int]) -> None:
        about, outputs, status = value

        def request(method: str, *_: Any) -> Answer:
            if method == "GET":
                return Answer(200, "OK", about.content(ABOUTS))
            return Answer(status, "Words", outputs.content(ANSWERS))

        with mock.patch.object(bounded_request, "request", request):
            client = RestClient("http://localhost:1")
            answer(lambda: client.embed([b"x"]))
            found = answer(
                lambda: client_lib.ask(client, SIGNATURE, [str(photo)], 1)
            )
        if found is not None:
            lengths = {len(array) for array in found.values()}
            assert lengths == {1}, found

    return Target(st.tuples(edited(ABOUTS), edited(ANSWERS), statuses), check)
