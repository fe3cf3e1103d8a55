"""Exports a run's encoder as a TFLite file, and measures what that costs.

Examples:

    As it is, in float32:
        python -m export.tflite --run_dir=runs/cifar100 \\
            --output=exported/cifar100.tflite

    In whole numbers, about a quarter of the size:
        python -m export.tflite --run_dir=runs/cifar100 \\
            --output=exported/cifar100_int8.tflite --quantize=int8

    A clustering or fine-tuning, whose file gives probabilities too:
        python -m export.tflite --run_dir=runs/cifar100/finetune \\
            --output=exported/classifier.tflite

Beside the file it writes a .json file that says where the model is from and
how close its embeddings are to the original's.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import pathlib
import tempfile
from typing import TYPE_CHECKING, Any

from and_tf import storage
from and_tf.training.run_flags import RunFlags
from and_tf.utils import bounds, cli
from and_tf.utils.averages import percent
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import Group, option
from export import one_file
from export.tensor_names import MODES, SIGNATURE

if TYPE_CHECKING:
    from and_tf.data.split import ImageData
    from and_tf.finetuning.finetuned import Finetuned
    from and_tf.scan.clustering import Clustering
    from and_tf.training.run import Run
    from export.exportable import Exportable
    from export.tflite.encoder import TFLiteEncoder


@dataclasses.dataclass(frozen=True)
class TFLiteConfig(RunFlags):
    """Flags that choose the run, its number format and the measurements."""

    output: str = option(
        Group.OUTPUT,
        "",
        "New file to write, which ends in .tflite.",
        required="a file that ends in .tflite",
        path=True,
        urls=True,
    )
    quantize: str = option(
        Group.EXPORT,
        "none",
        "How numbers are stored: none keeps float32; float16 halves the "
        "weights; dynamic stores weights in 8 bits; int8 stores weights and "
        "activations in 8 bits, and is calibrated on training images.",
        choices=MODES,
    )
    calibration_images: int = option(
        Group.EXPORT,
        500,
        "Number of random training images on which int8 measures the ranges "
        "of its activations.",
        unit="images",
        least=1,
        most=bounds.INT32,
    )
    evaluate: bool = option(
        Group.EVALUATION,
        True,
        "Embed the run's data with the file and with the original, and "
        "compare them.",
    )
    knn_neighbours: int = option(
        Group.EVALUATION,
        200,
        "Number of neighbours K that vote in the comparison's kNN. 200 is the "
        "paper's.",
        unit="neighbours",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    knn_temperature: float = option(
        Group.EVALUATION,
        0.1,
        "Temperature τ of the votes' weights: a smaller one gives the nearest "
        "neighbours more weight. 0.1 is the authors' value.",
        above=0.0,
        most=bounds.FACTOR,
    )


def main(config: TFLiteConfig) -> None:
    """Converts the run's encoder, compares it and writes the two files."""
    with storage.sent(storage.place(config.output)) as path:
        _write(config, *one_file.places(path, ".tflite", ".json"))


def _write(
    config: TFLiteConfig, output: pathlib.Path, sidecar: pathlib.Path
) -> None:
    cli.import_tensorflow()
    from export import exportable, file_values
    from export.metadata import describe
    from export.tflite import unsupported

    run = exportable.load(
        config.run_directory, config.checkpoint, config.data_dir
    )
    unsupported.check(exportable.exported(run))
    data = _images(config, run)
    content, calibration = _convert(config, run, data)
    measured = _measure(config, run, data, content)
    description = {
        **describe(run),
        "quantize": config.quantize,
        "signature": SIGNATURE,
        **one_file.tensors(
            run.image_size,
            exportable.lengths(run),
            run.form.channels,
            file_values.dtype(run.form),
        ),
        "calibration": calibration,
        "measured": measured,
    }
    one_file.write(output, sidecar, content, description)
    _show(config, len(content), measured)


def _images(config: TFLiteConfig, run: Exportable) -> ImageData | None:
    """Loads the run's data, if they are needed and available."""
    if not config.evaluate and config.quantize != "int8":
        return None
    try:
        return run.images
    except InputError as error:
        if config.quantize == "int8":
            raise InputError(
                "Expected the run's training images for --quantize=int8, "
                f"which is calibrated on them. {error} Name their directory "
                "with --data_dir, or use --quantize=dynamic, which needs none."
            ) from error
        print(f"not measured, as the run's images cannot be had: {error}")
        return None


def _convert(
    config: TFLiteConfig, run: Exportable, data: ImageData | None
) -> tuple[bytes, dict[str, Any] | None]:
    """Converts the encoder; returns the content and the calibration's JSON."""
    from export import exportable, file_values
    from export.tflite import calibration, conversion

    if config.quantize != "int8":
        model = exportable.exported(run)
        dtype = file_values.dtype(run.form)
        content = conversion.convert(model, config.quantize, dtype=dtype)
        return content, None
    assert data is not None  # Without images, `_images` has raised an error.
    seed = run.config.seed
    split = calibration.draw(data.train, config.calibration_images, seed)
    content = calibration.convert_int8(run, split)
    return content, {"images": split.size, "split": split.name, "seed": seed}


def _measure(
    config: TFLiteConfig,
    run: Exportable,
    data: ImageData | None,
    content: bytes,
) -> dict[str, Any] | None:
    """Measures how close the file's outputs are to the original's."""
    from and_tf.training.run import Run
    from export.tflite.encoder import TFLiteEncoder

    if data is None or not config.evaluate:
        return None
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "encoder.tflite"
        path.write_bytes(content)
        file = TFLiteEncoder(path)
        if isinstance(run, Run):
            measured = _compare_embeddings(config, run, data, file)
        else:
            measured = _compare_answers(run, data, file)
    runtime = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
    return {"runtime": runtime, **measured}


def _compare_embeddings(
    config: TFLiteConfig,
    run: Run,
    data: ImageData,
    file: TFLiteEncoder,
) -> dict[str, Any]:
    from export.serving import fidelity

    return fidelity.measure(
        run.encoder,
        {"file": lambda levels: file(run.form.values(levels))},
        data,
        image_size=run.image_size,
        neighbours=config.knn_neighbours,
        temperature=config.knn_temperature,
    )["file"]


def _compare_answers(
    run: Clustering | Finetuned, data: ImageData, file: TFLiteEncoder
) -> dict[str, Any]:
    from export import exportable
    from export.serving import cluster_fidelity

    return cluster_fidelity.measure(
        exportable.outputs_of(run),
        lambda levels: file.outputs(run.form.values(levels)),
        data.test or data.train,
        image_size=run.image_size,
        matching=run.matching,
    )


def _show(
    config: TFLiteConfig, size: int, measured: dict[str, Any] | None
) -> None:
    megabytes = f"{size / 1e6:.2f} MB, --quantize={config.quantize}"
    print(f"wrote {config.output} ({megabytes})")
    if measured is None:
        return
    if "agreement" in measured:
        print(
            f"  same answer as the original    "
            f"{percent(measured['agreement'], 2)} of "
            f"{measured['images']:,} images of {measured['split']}"
        )
        if measured["acc"] is not None:
            print(
                f"  ACC    {percent(measured['acc'], 2)}, original "
                f"{percent(measured['original_acc'], 2)}"
            )
    elif measured["knn_top1"] is not None:
        print(
            f"  kNN top-1    {percent(measured['knn_top1'], 2)}, original "
            f"{percent(measured['original_knn_top1'], 2)}"
        )
    print(
        f"  cosine to the original's embeddings    mean "
        f"{measured['mean_cosine']:.6f}, minimum "
        f"{measured['minimum_cosine']:.6f}"
    )


if __name__ == "__main__":
    cli.run(main, TFLiteConfig)
