"""Texts that name encoders, and those that name none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from and_tf import encoders
from and_tf.utils import encoder_names
from and_tf.utils.encoder_names import EncoderName, parse
from and_tf.utils.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resnet18", ("own", "resnet18", "")),
        ("efficientnet_lite2", ("own", "efficientnet_lite2", "")),
        ("applications:VGG16", ("applications", "VGG16", "")),
        ("hub:hf://me/dino@2", ("hub", "hf://me/dino@2", "")),
        ("mine.keras", ("path", "mine.keras", "")),
        ("a/b.keras@block 3", ("path", "a/b.keras", "block 3")),
        ("a@b/c.keras", ("path", "a@b/c.keras", "")),
        ("../saved", ("path", "../saved", "")),
        ("saved", ("path", "saved", "")),
        ("saved@serve/out", ("path", "saved", "serve/out")),
        ("at@home", ("path", "at@home", "")),
        ("networks:make", ("function", "networks:make", "")),
        ("a.b_c:make", ("function", "a.b_c:make", "")),
    ],
)
def test_kinds(text, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("saved")
    os.mkdir("at@home")
    name = parse(text)
    assert name == EncoderName(*expected)
    assert str(name) == text and name.kind in encoder_names.KINDS


def test_the_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert parse("~/e.keras@x") == EncoderName(
        "path", "/somewhere/e.keras", "x"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "applications:NAME .* Received: ''"),
        ("resnet34", "Did you mean resnet"),
        ("ResNet50V2", "Did you mean applications:ResNet50V2"),
        ("applications:", "applications:NAME"),
        ("gs://bucket/e.keras", "Copy it here"),
        ("small ", "without spaces"),
        ("a b:c", "module:function"),
    ],
)
def test_says_what_can_be_given(text, words):
    with pytest.raises(InputError, match=words):
        parse(text)


def test_the_names_of_our_own_networks():
    assert set(encoders.NAMES) <= set(encoder_names.OWN)


def test_no_heavy_package_is_imported():
    code = (
        "import sys, and_tf.utils.encoder_names;"
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
