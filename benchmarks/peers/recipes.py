"""Give `fast_views` the numbers of lightly's transforms.

They are those of its benchmarks: on CIFAR-10, where blur is off, and for VICReg
on Imagenette, here without blur too. `pillow_views` does not read them:
lightly's own transforms have them as defaults. `make test-peers` holds both
against each other.
"""

from __future__ import annotations

import dataclasses

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's.


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The recipe of one view.

    Attributes:
        brightness: Factors are in [1 − brightness, 1 + brightness].
        contrast: The same.
        saturation: The same.
        hue: Shifts are in [−hue, hue], in turns of the colour wheel.
        smallest_crop: The least share of the image's area.
        jitter: The probability that colours change at all.
        greyscale: The probability that a view has no colours.
        solarize: The probability that bright values are inverted.
        flip: The probability that a view is mirrored left to right.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    smallest_crop: float = 0.08
    jitter: float = 0.8
    greyscale: float = 0.2
    solarize: float = 0.0
    flip: float = 0.5


_SIMCLR = Recipe()
_SIMSIAM = Recipe(smallest_crop=0.2)
_BYOL = Recipe(saturation=0.2)
_VICREG = Recipe(saturation=0.2, solarize=0.1)
# Of the first and of the second view of each side.
RECIPES: dict[str, tuple[Recipe, Recipe]] = {
    "simclr": (_SIMCLR, _SIMCLR),
    "nnclr": (_SIMCLR, _SIMCLR),
    "simsiam": (_SIMSIAM, _SIMSIAM),
    "byol": (_BYOL, dataclasses.replace(_BYOL, solarize=0.2)),
    "vicreg": (_VICREG, _VICREG),
}
