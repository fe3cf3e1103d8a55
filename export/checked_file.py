"""Exports a run to one file that computes what the run's encoder computes."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import keras

from export import exportable, file_values, one_file
from export.metadata import describe

# From a model, the name of its one output and the description to put into the
# file, to the file's content and its largest difference from the model.
Make = Callable[[keras.Model, str, dict[str, Any]], tuple[bytes, float]]


def write(
    config: one_file.FeaturesFlags,
    output: pathlib.Path,
    sidecar: pathlib.Path,
    make: Make,
) -> None:
    """Writes the file and its description, and prints what they are.

    Args:
        config: The flags that choose the run and its outputs.
        output: The file to write.
        sidecar: The .json file to write beside it.
        make: Makes the content of the file, and compares it with the model.

    Raises:
        InputError: If the run cannot be loaded, the content cannot be made or
            the files cannot be written.
    """
    run = exportable.load(
        config.run_directory, config.checkpoint, config.data_dir
    )
    lengths = exportable.lengths(run, config.features)
    description = {
        **describe(run),
        **one_file.tensors(
            run.image_size,
            lengths,
            run.form.channels,
            file_values.dtype(run.form),
        ),
    }
    content, difference = make(
        exportable.exported(run, config.features),
        exportable.output_name(config.features),
        description,
    )
    one_file.write(
        output,
        sidecar,
        content,
        {**description, "largest_difference": difference},
    )
    given = ", ".join(f"{n} float32 [?, {d}]" for n, d in lengths.items())
    size = run.image_size
    print(
        f"wrote {output} ({len(content) / 1e6:.2f} MB)\n"
        f"  images {file_values.dtype(run.form)} "
        f"[?, {size}, {size}, {run.form.channels}] -> {given}\n"
        f"  largest difference from the run's encoder    {difference:.1g}"
    )
