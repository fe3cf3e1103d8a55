"""Peak arithmetic rates of NVIDIA cards, by the names their drivers give.

The rates are those of dense products on the tensor cores with float32
accumulation, from NVIDIA's data sheets and architecture white papers. Where a
sheet gives the rate "with sparsity", half of it stands here. They hold for the
whole card at its highest clock and power limit, so a share of 100 % is out of
reach.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Peak(NamedTuple):
    """The peak rates of a card, in TFLOP/s (10^12 operations a second).

    Attributes:
        bfloat16: Of bfloat16 products; None on a card without them.
        float32: Of float32 products as TensorFlow computes them by default:
            TF32 on cards that have it, otherwise plain float32.
    """

    bfloat16: float | None
    float32: float


# By the card's name without "NVIDIA", "GeForce", "Tesla" and its memory size.
PEAKS = {
    "B200": Peak(2250.0, 1100.0),
    "H200": Peak(989.4, 494.7),
    "H200 NVL": Peak(835.5, 417.5),
    "GH200": Peak(989.4, 494.7),
    "H100 HBM3": Peak(989.4, 494.7),  # The SXM module.
    "H100 PCIe": Peak(756.0, 378.0),
    "H100 NVL": Peak(835.5, 417.5),
    "A100 SXM4": Peak(312.0, 156.0),
    "A100 PCIe": Peak(312.0, 156.0),
    "A40": Peak(149.7, 74.8),
    "A30": Peak(165.0, 82.0),
    "A10": Peak(125.0, 62.5),
    "L40S": Peak(362.0, 183.0),
    "L40": Peak(181.0, 90.5),
    "L4": Peak(121.0, 60.0),
    "T4": Peak(None, 8.1),
    "V100 SXM2": Peak(None, 15.7),
    "V100 PCIe": Peak(None, 14.0),
    "RTX 5090": Peak(209.5, 104.8),
    "RTX 4090": Peak(165.2, 82.6),
    "RTX 4080": Peak(97.5, 48.7),
    "RTX 3090": Peak(71.0, 35.6),
}
_NO_PART_OF_A_MODEL = re.compile(r"NVIDIA|GEFORCE|TESLA|\d+GB", re.IGNORECASE)


def peak_of(card: str) -> Peak | None:
    """Looks up a card.

    The name has to fit as a whole: "RTX 4090 Laptop GPU", "RTX 4080 SUPER" or
    a MIG slice of an H100 are other devices than the cards they are named
    after.

    Args:
        card: A name from `and_tf.distribution.devices.gpu_names`.

    Returns:
        None for a card that the table does not have.
    """
    words = re.split(r"[\s-]+", card.strip())
    model = [word for word in words if not _NO_PART_OF_A_MODEL.fullmatch(word)]
    return _BY_MODEL.get(" ".join(model).upper())


_BY_MODEL = {model.upper(): peak for model, peak in PEAKS.items()}


def share_of_peak(
    card: str, precision: str, flops_per_second: float, devices: int = 1
) -> float | None:
    """Returns the share of the cards' peak that a training reaches.

    Args:
        card: The name of each of them.
        precision: Of the training: float32 or mixed_bfloat16.
        flops_per_second: Of all devices together.
        devices: How many cards there are.

    Returns:
        A fraction, or None if the card's peak in this precision is unknown.
    """
    peak = peak_of(card)
    if peak is None:
        return None
    most = peak.float32 if precision == "float32" else peak.bfloat16
    return flops_per_second / (most * 1e12 * devices) if most else None
