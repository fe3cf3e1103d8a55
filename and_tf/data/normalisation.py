"""Per-channel mean and standard deviation, on the scale 0..1."""

from __future__ import annotations

CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
SVHN = ((0.4377, 0.4438, 0.4728), (0.1201, 0.1231, 0.1052))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# The code of AND's authors takes CIFAR-10's for CIFAR-100 too; so do we, since
# their figures were made with them.
KNOWN = {"cifar10": CIFAR, "cifar100": CIFAR, "svhn_cropped": SVHN}


def normalisation(
    dataset: str,
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation that a data set's encoders subtract and divide by.

    Published ones where the paper's recipe has some, ImageNet's elsewhere.
    """
    return KNOWN.get(dataset, IMAGENET)
