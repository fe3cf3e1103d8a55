"""Exports a run's encoder as a TFLite file, and measures what that cost.

    python -m export.tflite --run_dir=runs/cifar100 \\
        --output=exported/cifar100.tflite --quantize=int8

writes the file, and beside it a .json that says where it is from and how
close its embeddings are to the original's. Of a clustering's directory, such
as runs/cifar100/scan, the file gives the clusters' probabilities too.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import pathlib
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError
from export.tensor_names import INPUT, MODES, OUTPUT, PROBABILITIES, SIGNATURE

if TYPE_CHECKING:
    from and_tf.data.split import ImageData
    from and_tf.training.trained import TrainedEncoder
    from export.exportable import ClusteredEncoder, Exportable
    from export.tflite.encoder import TFLiteEncoder

_RUN_DIR = paths.define("run_dir", "", "The run, or the clustering.")
_OUTPUT = paths.define("output", "", "The .tflite file to write.")
_CHECKPOINT = cli.define_checkpoint()
_QUANTIZE = flags.DEFINE_enum(
    "quantize", "none", MODES, "How weights and activations are stored."
)
_CALIBRATION = bounds.define_number(
    "calibration_images",
    500,
    "Training images on which int8 measures its ranges.",
    least=1,
    most=bounds.INT32,
)
_EVALUATE = flags.DEFINE_bool(
    "evaluate", True, "Embed the run's data with the file and the original."
)
_DATA_DIR = paths.define(
    "data_dir", "", "Where its data set lies. Empty: where it lay in training."
)
_NEIGHBOURS = bounds.define_number(
    "knn_neighbours", 200, "K.", least=1, most=bounds.NEIGHBOURS
)
_TEMPERATURE = bounds.define_number(
    "knn_temperature", 0.1, "τ of the weights.", above=0.0, most=bounds.FACTOR
)

_REMEDY = "Make room or name another --output, then run again."


def main(argv: Sequence[str]) -> None:
    """Reads the flags, converts, measures and writes."""
    del argv
    output, sidecar = _check_flags()
    cli.import_tensorflow()
    from and_tf.utils import atomic_files
    from export import exportable
    from export.metadata import describe

    run = exportable.load(pathlib.Path(_RUN_DIR.value), _CHECKPOINT.value)
    data = _images(run)
    content, calibration = _convert(run, data)
    measured = _measure(run, data, content) if _EVALUATE.value else None
    size = run.image_size
    atomic_files.write(output, lambda file: file.write(content), _REMEDY)
    atomic_files.write_json(
        sidecar,
        {
            **describe(run),
            "quantize": _QUANTIZE.value,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "signature": SIGNATURE,
            "input": _tensor(INPUT, "uint8", size, size, 3),
            **_outputs(run),
            "calibration": calibration,
            "measured": measured,
        },
        _REMEDY,
    )
    _show(output, len(content), measured)


def _check_flags() -> tuple[pathlib.Path, pathlib.Path]:
    """The file to write and the one beside it."""
    if not _RUN_DIR.value:
        raise InputError(
            "Expected --run_dir, the directory of a run. Received none."
        )
    output = pathlib.Path(_OUTPUT.value)
    if output.suffix != ".tflite":
        raise InputError(
            "Expected --output, a file that ends in .tflite. Received: "
            f"{_OUTPUT.value or 'none'}."
        )
    sidecar = output.with_suffix(".json")
    for path in (output, sidecar):
        paths.check_output("output", path)
        if path.exists():
            raise InputError(
                f"Expected a new --output. Received: {output}, but {path} is "
                "there already. Name another, or remove it."
            )
    return output, sidecar


def _images(run: Exportable) -> ImageData | None:
    """The run's data, where something is done with them and they are there."""
    from and_tf.training import trained

    if not _EVALUATE.value and _QUANTIZE.value != "int8":
        return None
    try:
        return trained.load_images(run.config, _DATA_DIR.value)
    except InputError as error:
        if _QUANTIZE.value == "int8":
            raise InputError(
                "Expected the run's training images for --quantize=int8, "
                f"which is calibrated on them. {error} Name their place with "
                "--data_dir, or use --quantize=dynamic, which needs none."
            ) from error
        print(f"not measured, for want of the run's images: {error}")
        return None


def _convert(
    run: Exportable, data: ImageData | None
) -> tuple[bytes, dict[str, Any] | None]:
    """The file's content, and what it was calibrated on."""
    from export import exportable
    from export.tflite import calibration, conversion

    if _QUANTIZE.value != "int8":
        model = exportable.outputs_of(run)
        return conversion.convert(model, _QUANTIZE.value), None
    seed = run.config.seed
    split = calibration.draw(data.train, _CALIBRATION.value, seed)
    content = calibration.convert_int8(run, split)
    return content, {"images": split.size, "split": split.name, "seed": seed}


def _measure(
    run: Exportable, data: ImageData | None, content: bytes
) -> dict[str, Any] | None:
    """How close what the file gives is to the original's."""
    from export.exportable import ClusteredEncoder
    from export.tflite.encoder import TFLiteEncoder

    if data is None:
        return None
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "encoder.tflite"
        path.write_bytes(content)
        file = TFLiteEncoder(path)
        if isinstance(run, ClusteredEncoder):
            measured = _compare_clusters(run, data, file)
        else:
            measured = _compare_embeddings(run, data, file)
    runtime = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
    return {"runtime": runtime, **measured}


def _compare_embeddings(
    run: TrainedEncoder, data: ImageData, file: TFLiteEncoder
) -> dict[str, Any]:
    from export.serving import fidelity

    return fidelity.measure(
        run.encoder,
        {"file": file},
        data,
        image_size=run.image_size,
        neighbours=_NEIGHBOURS.value,
        temperature=_TEMPERATURE.value,
    )["file"]


def _compare_clusters(
    run: ClusteredEncoder, data: ImageData, file: TFLiteEncoder
) -> dict[str, Any]:
    from export.serving import cluster_fidelity

    return cluster_fidelity.measure(
        run.both,
        file.outputs,
        data.test or data.train,
        image_size=run.image_size,
        matching=run.clustering.result["matching"],
    )


def _outputs(run: Exportable) -> dict[str, Any]:
    """Descriptions of what the file gives."""
    from export.exportable import ClusteredEncoder

    outputs = {"output": _tensor(OUTPUT, "float32", run.embedding_dim)}
    if isinstance(run, ClusteredEncoder):
        clusters = len(run.cluster_names)
        outputs["probabilities"] = _tensor(PROBABILITIES, "float32", clusters)
    return outputs


def _tensor(name: str, dtype: str, *shape: int) -> dict[str, Any]:
    """A tensor's description; None stands for the batch's size."""
    return {"name": name, "dtype": dtype, "shape": [None, *shape]}


def _show(
    output: pathlib.Path, size: int, measured: dict[str, Any] | None
) -> None:
    print(f"wrote {output} ({size / 1e6:.2f} MB, quantize {_QUANTIZE.value})")
    if measured is None:
        return
    if "agreement" in measured:
        print(
            f"  same cluster as the original    "
            f"{100 * measured['agreement']:.2f} % of "
            f"{measured['images']:,} images of {measured['split']}"
        )
        if measured["acc"] is not None:
            print(
                f"  ACC    {100 * measured['acc']:.2f} %, original "
                f"{100 * measured['original_acc']:.2f} %"
            )
    elif measured["knn_top1"] is not None:
        print(
            f"  kNN top-1    {100 * measured['knn_top1']:.2f} %, original "
            f"{100 * measured['original_knn_top1']:.2f} %"
        )
    print(
        f"  cosine to the original's embeddings    mean "
        f"{measured['mean_cosine']:.6f}, minimum "
        f"{measured['minimum_cosine']:.6f}"
    )


if __name__ == "__main__":
    cli.run(main)
