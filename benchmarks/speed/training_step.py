"""Compare a whole training step, with the loss over a memory bank."""

from __future__ import annotations

import numpy as np

from benchmarks.harness.comparison import (
    Case,
    Comparison,
    Side,
    Target,
    Work,
    rate,
)
from benchmarks.speed import sides

TEMPERATURE, MOMENTUM, RATE = 0.1, 0.5, 0.03
DIM = 128


def draw(n: int, batch: int, size: int) -> tuple[np.ndarray, ...]:
    """Draw images float32 [b, S, S, 3], numbers [b] and the bank [N, D]."""
    sample_ids = np.random.default_rng(2).permutation(n)[:batch]
    images = sides.images(batch, size).astype(np.float32)
    return images, sample_ids, sides.unit_rows(n, DIM)


def ours(
    threads: int,
    n: int,
    batch: int,
    size: int,
    backbone: str,
    width: float,
    negatives: int = 0,
) -> Work:
    """Prepare `AND.train_step`, as `fit` traces it on a CPU."""
    sides.start_tensorflow(threads)
    import tensorflow as tf

    from and_tf import AND, encoders
    from and_tf.method.optimizers import CoupledSGD

    images, sample_ids, rows = draw(n, batch, size)
    encoder = encoders.build(backbone, size, DIM, width=width)
    for layer in encoder.layers:
        if hasattr(layer, "kernel"):
            shape = tuple(layer.kernel.shape)
            layer.kernel.assign(sides.weights(layer.name, shape))
    model = AND(
        encoder,
        n,
        temperature=TEMPERATURE,
        memory_momentum=MOMENTUM,
        negatives=negatives,
    )
    model.bank.rows.assign(rows)
    model.compile(CoupledSGD(RATE))
    model.optimizer.build(model.trainable_variables)
    batch_of = tf.constant(images), tf.constant(sample_ids)

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        return model.train_step(batch_of)["loss"]

    traced = step.get_concrete_function()

    def answer() -> dict[str, np.ndarray]:
        first = traced().numpy()
        model.reset_metrics()
        second = traced().numpy()
        moved = tf.gather(model.bank.rows.value, sample_ids).numpy()
        return {"losses": np.array([first, second]), "rows": moved}

    return Work(rate(lambda: traced().numpy(), batch), answer)


def pytorch(
    threads: int,
    n: int,
    batch: int,
    size: int,
    backbone: str,
    width: float,
    channels_last: bool,
) -> Work:
    """Prepare eager PyTorch: product with the bank, cross-entropy, SGD."""
    sides.start_torch(threads)
    import torch
    from torch.nn import functional

    from benchmarks.speed.torch_resnet import ResNet18

    del backbone
    images, sample_ids, rows = map(torch.from_numpy, draw(n, batch, size))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = images.permute(0, 3, 1, 2).contiguous(memory_format=layout)
    encoder = ResNet18(width, DIM).to(memory_format=layout).train()
    optimiser = torch.optim.SGD(
        encoder.parameters(), RATE, 0.9, weight_decay=5e-4, nesterov=True
    )

    def step() -> float:
        optimiser.zero_grad()
        embeddings = encoder(images)
        logits = embeddings @ rows.T / TEMPERATURE
        loss = functional.cross_entropy(logits, sample_ids)
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            mixed = (1 - MOMENTUM) * rows[sample_ids] + MOMENTUM * embeddings
            rows[sample_ids] = functional.normalize(mixed, dim=1)
        return loss.item()

    def answer() -> dict[str, np.ndarray]:
        losses = np.array([step(), step()], np.float32)
        return {"losses": losses, "rows": rows[sample_ids].numpy()}

    return Work(rate(step, batch), answer)


def _case(
    n: int,
    batch: int,
    size: int,
    target: Target,
    **network: str | float,
) -> Case:
    return Case(
        f"batch {batch}, N = {n:,}, {size}×{size}",
        {"n": n, "batch": batch, "size": size, **network},
        target,
    )


def _torch(name: str, **network: str | float) -> list[Side]:
    """Make PyTorch's two sides, one for each layout of images."""
    return [
        Side(
            f"{name}{', channels last' if last else ''}",
            pytorch,
            {**network, "channels_last": last},
            needs="torch",
        )
        for last in (False, True)
    ]


_FULL = {"backbone": "resnet18", "width": 1.0}
_FULL_PEERS = _torch("PyTorch")
_FULL_TARGET = Target(1.25, tuple(side.name for side in _FULL_PEERS))
RESNET18 = Comparison(
    name="training_step",
    title="Training step, ResNet18",
    does=(
        "Forward, N-way loss, backward, SGD with Nesterov momentum and decay, "
        "and the bank's update, D = 128."
    ),
    unit="images/s",
    sides=(Side("and_tf", ours), *_FULL_PEERS),
    cases=[_case(50_000, 128, 32, _FULL_TARGET, **_FULL)],
    quick=[_case(200, 4, 8, _FULL_TARGET, backbone="resnet18", width=0.125)],
    # A second step, from weights that a first one moved.
    tolerance=2e-3,
)

_QUARTER = {"backbone": "resnet18", "width": 0.25}
_SMALL = Side(
    "and_tf, small",
    ours,
    {"backbone": "small", "width": 1.0},
    alike=False,
    note="another network, chosen for these cores",
)
_PEERS = _torch("PyTorch, quarter-width ResNet18", **_QUARTER)
_TARGET = Target(1.1, tuple(side.name for side in _PEERS), of=_SMALL.name)
SMALL = Comparison(
    name="small_training_step",
    title="Training step, a small backbone",
    does=(
        "The same with the backbone `small`, beside a ResNet18 of a quarter "
        "of the width."
    ),
    unit="images/s",
    sides=(Side("and_tf, quarter-width ResNet18", ours, _QUARTER), _SMALL,
           *_PEERS),
    cases=[_case(50_000, 128, 32, _TARGET)],
    quick=[_case(200, 4, 8, _TARGET)],
    tolerance=2e-3,
)  # fmt: skip
