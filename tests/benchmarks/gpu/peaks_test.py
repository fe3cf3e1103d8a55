"""Cards by the names that drivers give them."""

from __future__ import annotations

import pytest

from benchmarks.gpu.peaks import PEAKS, peak_of, share_of_peak


@pytest.mark.parametrize(
    "name, model",
    [
        ("NVIDIA H100 80GB HBM3", "H100 HBM3"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe"),
        ("A100-PCIE-40GB", "A100 PCIe"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("Tesla T4", "T4"),
        ("Tesla V100-SXM2-16GB", "V100 SXM2"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
    ],
)
def test_names_of_drivers(name, model):
    assert peak_of(name) is PEAKS[model]


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4080 SUPER",
        "NVIDIA A10G",
        "AMD Instinct MI300X",
        "",
    ],
)
def test_another_device_is_not_taken_for_a_known_one(name):
    assert peak_of(name) is None
    assert share_of_peak(name, "float32", 1e12) is None


def test_shares():
    assert share_of_peak("NVIDIA L4", "mixed_bfloat16", 12.1e12) == (
        pytest.approx(0.1)
    )
    assert share_of_peak("NVIDIA L4", "float32", 12e12, 2) == pytest.approx(0.1)
    # It has no bfloat16.
    assert share_of_peak("Tesla T4", "mixed_bfloat16", 1e12) is None
    assert share_of_peak("Tesla T4", "float32", 8.1e11) == pytest.approx(0.1)


def test_tf32_is_half_as_fast_as_bfloat16_on_cards_that_have_it():
    for peak in PEAKS.values():
        if peak.bfloat16:
            assert 1.9 < peak.bfloat16 / peak.float32 < 2.1
