"""What a user is told is one line, whatever names are in it."""

from __future__ import annotations

import pytest

from and_tf.utils.errors import InputError


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nerror: b", "a\\nerror: b"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\tb", "a\\r\\tb"),
        ("\u202etxt", "\\u202etxt"),
        ("caf\udce9", "caf\ufffd"),
        ("café → \\n", "café → \\n"),
    ],
)
def test_names_with_control_characters_stay_in_their_line(name, shown):
    error = InputError(f"Expected a folder. Received: {name}.")
    assert str(error) == f"Expected a folder. Received: {shown}."


def test_a_long_value_leaves_what_to_do():
    text = str(InputError(f"Expected a name. Received: {'x' * 9_000}. Cut it."))
    assert text.startswith("Expected a name. Received: xxx")
    assert " … xxx" in text and text.endswith("xxx. Cut it.")
    assert len(text) < 4_000
    whole = f"Expected a name. Received: {'x' * 3_000}. Cut it."
    assert str(InputError(whole)) == whole


def test_several_things_are_a_line_each():
    assert str(InputError("Expected a.", "b\nc")) == (
        "Expected a.\nerror: b\\nc"
    )
