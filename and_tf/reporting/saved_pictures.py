"""Pictures that lie in a run's directory already."""

from __future__ import annotations

import pathlib

from and_tf.reporting.markup import Html, element, scrolling
from and_tf.reporting.pictures import picture_uri


def saved_picture(path: pathlib.Path, caption: str) -> Html | None:
    """A PNG file as a figure, None where there is none that can be read.

    These pictures are drawn on white, and stand on white at night too.

    Args:
        path: The file.
        caption: What it shows; stands below, and in its place for those who
            cannot see it.
    """
    try:
        uri, (width, height) = picture_uri(path)
    except (OSError, ValueError, SyntaxError):  # As Pillow says of a bad PNG.
        return None
    image = element(
        "img",
        src=uri,
        alt=caption,
        width=width,
        height=height,
        style=f"max-width:{width}px",
    )
    return element(
        "figure",
        scrolling(caption, image),
        element("figcaption", caption),
        class_="picture",
    )
