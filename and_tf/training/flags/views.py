"""Defines the flags of random views that several commands have."""

from __future__ import annotations

from typing import Any, Protocol

from and_tf.utils.flag_config import Group, option


class ViewFlags(Protocol):
    """A config with these flags."""

    @property
    def crop_area(self) -> float:
        """The smallest share of an image's area that a crop shows."""

    @property
    def colour_jitter(self) -> float:
        """The strength of random changes of colour."""

    @property
    def flip(self) -> float:
        """The probability that a view is mirrored."""


def crop_area(default: float) -> Any:
    """Makes the flag of the smallest crop."""
    return option(
        Group.VIEWS,
        default,
        "Smallest share of an image's area that a random crop shows.",
        unit="share",
        above=0.0,
        most=1.0,
    )


def colour_jitter(default: float) -> Any:
    """Makes the flag of the strength of random changes of colour."""
    return option(
        Group.VIEWS,
        default,
        "Strength of the random changes of brightness, contrast, saturation "
        "and hue; 0 changes nothing.",
        unit="strength",
        least=0.0,
        most=1.0,
    )


def flip(why: str) -> Any:
    """Makes the flag of mirrored views, of which there are none by default.

    Args:
        why: What --help adds, in whole sentences.
    """
    return option(
        Group.VIEWS,
        0.0,
        f"Probability that a view is mirrored left to right. {why}",
        unit="probability",
        least=0.0,
        most=1.0,
    )
