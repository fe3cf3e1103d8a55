"""Flags of the commands are theirs, and all others are Beam's."""

from __future__ import annotations

import pytest

from export.beam import pipeline_flags
from export.beam.pipeline_flags import ModelFlags
from tests import mains


def test_flags_that_a_command_does_not_have_are_passed_on(tmp_path):
    (tmp_path / "both.flags").write_text("--shards=3\n--runner=FlinkRunner\n")
    own, others = pipeline_flags._divided(
        [
            "--model=m",
            "--flink_master",
            "host:8081",
            "--images",
            "photos",
            f"--flagfile={tmp_path}/both.flags",
            "--debug",
        ],
        ModelFlags,
    )
    assert own == ["--model=m", "--images", "photos", "--shards=3", "--debug"]
    assert others == ["--flink_master", "host:8081", "--runner=FlinkRunner"]


def test_help_is_the_commands_own(capsys):
    mains.run("export.beam.neighbours", ["--help"])
    text = capsys.readouterr().out
    assert "  --index=" in text and "  --neighbours=" in text


def test_without_beam_a_sentence_says_what_to_install(monkeypatch, capsys):
    find = pipeline_flags.importlib.util.find_spec
    monkeypatch.setattr(
        pipeline_flags.importlib.util,
        "find_spec",
        lambda name: None if name == "apache_beam" else find(name),
    )
    flags = ["--model=m", "--images=p", "--output=t"]
    with pytest.raises(SystemExit):
        mains.run("export.beam.embed", flags)
    assert "pip install 'and-tf[beam]'" in capsys.readouterr().err
