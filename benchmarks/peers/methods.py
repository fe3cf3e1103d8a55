"""The peers' methods: the parts of lightly, put together as lightly does.

Heads, losses, momentum, optimisers and rates are those of lightly's benchmark
on CIFAR-10 (docs/source/getting_started/benchmarks/cifar10_benchmark.py); of
VICReg, which is not in it, those of its benchmark on Imagenette beside it. What
differs here:

- The backbone, and so the number F of features that heads begin with.
- The learning rate falls in every step and not after every epoch, for some
  budgets are of few epochs. VICReg's warm-up is the first tenth of the steps,
  as 20 of 200 epochs are.
- The bank of NNCLR is told its number of dimensions, which lightly now asks
  for.

The rate grows with the batch as there: 0.06 at 128 images, of VICReg 0.3 at
256, and always 0.06 for SimSiam.
"""

from __future__ import annotations

import copy

import torch
from lightly import loss
from lightly.models import utils
from lightly.models.modules import NNMemoryBankModule, heads
from lightly.utils.lars import LARS
from lightly.utils.scheduler import CosineWarmupScheduler
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

MOMENTUM = 0.99  # Of the slow copy in BYOL.
WARM_UP = 0.1  # Share of VICReg's steps.
BANK = 4096
Optimiser = tuple[torch.optim.Optimizer, LRScheduler]


class Method(nn.Module):
    """Trains a backbone by two views of each image.

    Args:
        backbone: From images [B, 3, S, S] to features [B, F].
        features: F.

    Attributes:
        backbone: As given.
        base_rate: The learning rate at `base_batch` images.
        base_batch: See there; 0 where the rate does not follow the batch.
    """

    base_rate = 0.06
    base_batch = 128

    def __init__(self, backbone: nn.Module, features: int) -> None:
        super().__init__()
        self.backbone = backbone
        self._build(features)

    def _build(self, features: int) -> None:
        raise NotImplementedError

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return the loss of two views, each [B, 3, S, S]."""
        raise NotImplementedError

    def rate(self, batch_size: int) -> float:
        """Return the learning rate at the beginning."""
        if not self.base_batch:
            return self.base_rate
        return self.base_rate * batch_size / self.base_batch

    def optimiser(self, batch_size: int, steps: int) -> Optimiser:
        """Return the optimiser, and the schedule that ends after `steps`."""
        optimiser = torch.optim.SGD(
            [p for p in self.parameters() if p.requires_grad],
            self.rate(batch_size),
            momentum=0.9,
            weight_decay=5e-4,
        )
        return optimiser, CosineAnnealingLR(optimiser, steps)


class SimCLR(Method):
    """Each view finds the other one of its image among all of the batch."""

    def _build(self, features: int) -> None:
        self.head = heads.SimCLRProjectionHead(features, features, 128)
        self.criterion = loss.NTXentLoss()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """See `Method`."""
        return self.criterion(*(self.head(self.backbone(x)) for x in (a, b)))


class SimSiam(Method):
    """Each view predicts the other one, which gets no gradient."""

    base_batch = 0

    def _build(self, features: int) -> None:
        self.head = _two_layers(features, 2048, 2048)
        self.prediction = heads.SimSiamPredictionHead(2048, 512, 2048)
        self.criterion = loss.NegativeCosineSimilarity()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """See `Method`."""
        z, w = (self.head(self.backbone(x)) for x in (a, b))
        p, q = self.prediction(z), self.prediction(w)
        z, w = z.detach(), w.detach()
        return 0.5 * (self.criterion(z, q) + self.criterion(w, p))


class BYOL(Method):
    """Each view predicts what a slow copy says of the other one."""

    def _build(self, features: int) -> None:
        self.head = heads.BYOLProjectionHead(features, 1024, 256)
        self.prediction = heads.BYOLPredictionHead(256, 1024, 256)
        self.slow = copy.deepcopy(nn.Sequential(self.backbone, self.head))
        utils.deactivate_requires_grad(self.slow)
        self.criterion = loss.NegativeCosineSimilarity()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """See `Method`."""
        fast = nn.Sequential(self.backbone, self.head)
        utils.update_momentum(fast, self.slow, MOMENTUM)
        p, q = (self.prediction(fast(x)) for x in (a, b))
        with torch.no_grad():
            z, w = self.slow(a), self.slow(b)
        return 0.5 * (self.criterion(p, w) + self.criterion(q, z))


class NNCLR(Method):
    """Each view finds the nearest neighbour of the other one in a bank."""

    def _build(self, features: int) -> None:
        self.head = _two_layers(features, 2048, 256)
        self.prediction = heads.NNCLRPredictionHead(256, 4096, 256)
        self.bank = NNMemoryBankModule(size=(BANK, 256))
        self.criterion = loss.NTXentLoss()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """See `Method`."""
        z, w = (self.head(self.backbone(x)) for x in (a, b))
        p, q = self.prediction(z), self.prediction(w)
        z = self.bank(z.detach(), update=False)
        w = self.bank(w.detach(), update=True)
        return 0.5 * (self.criterion(z, q) + self.criterion(w, p))


class VICReg(Method):
    """Views agree in numbers that vary, and not with one another."""

    base_rate = 0.3
    base_batch = 256

    def _build(self, features: int) -> None:
        self.head = heads.BarlowTwinsProjectionHead(features, 2048, 2048)
        self.criterion = loss.VICRegLoss()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """See `Method`."""
        return self.criterion(*(self.head(self.backbone(x)) for x in (a, b)))

    def optimiser(self, batch_size: int, steps: int) -> Optimiser:
        """See `Method`; lightly's own words: "diverges without LARS"."""
        optimiser = LARS(
            self.parameters(),
            self.rate(batch_size),
            momentum=0.9,
            weight_decay=1e-4,
        )
        warm_up = int(WARM_UP * steps)
        return optimiser, CosineWarmupScheduler(optimiser, warm_up, steps)


METHODS: dict[str, type[Method]] = {
    "simclr": SimCLR,
    "byol": BYOL,
    "vicreg": VICReg,
    "nnclr": NNCLR,
    "simsiam": SimSiam,
}


def _two_layers(features: int, hidden: int, outputs: int) -> nn.Module:
    """Return lightly's projection for CIFAR-10, of two layers with norms."""
    relu = nn.ReLU(inplace=True)
    return heads.ProjectionHead(
        [
            (features, hidden, nn.BatchNorm1d(hidden), relu),
            (hidden, outputs, nn.BatchNorm1d(outputs), None),
        ]
    )
