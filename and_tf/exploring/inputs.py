"""Checks the folders that an exploration reads, and measures their images."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from and_tf.data import walking
from and_tf.exploring import clusters, labelling, measured, measuring, places
from and_tf.exploring.config import ExploreConfig
from and_tf.exploring.directory import ExploreDirectory
from and_tf.exploring.encoder import ImageEncoder
from and_tf.exploring.measured import Measured
from and_tf.exploring.store import Store
from and_tf.utils import paths
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of images that was found to be readable.

    Attributes:
        root: Its path.
        split: The split of its images, "" or `measured.REFERENCE`.
        found: The files below it.
    """

    root: str
    split: str
    found: walking.Found

    @property
    def names(self) -> list[str]:
        """The printable paths of the images below the folder."""
        return [walking.utf8(os.path.join(*p)) for p in self.found.images]


def check(config: ExploreConfig, directory: ExploreDirectory) -> list[Folder]:
    """Checks the inputs before any work, and lists the images.

    Returns:
        The folder of the images, and that of the reference if there is one.

    Raises:
        InputError: If a folder or a table cannot be read, there are no images,
            or the output cannot be written.
    """
    if directory.path.exists() and not directory.path.is_dir():
        raise InputError(
            "Expected a directory for --output. Received: "
            f"{walking.utf8(str(directory.path))}, which is a file."
        )
    paths.check_output("output", directory.path)
    folders = [_folder("images", config.images, "", directory.path)]
    if config.reference:
        folders.append(
            _folder(
                "reference",
                config.reference,
                measured.REFERENCE,
                directory.path,
            )
        )
        if _below(config.images, config.reference) is not None:
            raise InputError(
                "Expected a folder of other images for --reference. Received: "
                f"{walking.utf8(config.reference)}, which has all of --images."
            )
    names = folders[0].names
    labelling.read(
        config.labels, names, [p.folder for p in places.of_files(names)]
    )
    if config.names:
        clusters.read_names(config.names)
    return folders


def _below(path: str | os.PathLike[str], root: str) -> walking.Parts | None:
    """Returns the parts of a path below a folder; None if it is elsewhere."""
    path, root = os.path.realpath(path), os.path.realpath(root)
    if os.path.commonpath([path, root]) != root:
        return None
    relative = os.path.relpath(path, root)
    return () if relative == os.curdir else tuple(relative.split(os.sep))


def _folder(
    flag: str, root: str, split: str, output: os.PathLike[str]
) -> Folder:
    """Lists the images of a folder, but those of the page in its output."""
    if not os.path.isdir(root):
        raise InputError(
            f"Expected a folder of images for --{flag}. Received: "
            f"{walking.utf8(root)}, which is no folder."
        )
    own = _below(output, root)
    if own == ():
        raise InputError(
            f"Expected another directory for --output than --{flag}. Received "
            f"{walking.utf8(root)} for both. Give one below it, for instance."
        )
    found = walking.walk(root)
    if own is not None:
        found = _without(found, own)
    if not found.images:
        told = "; ".join(walking.summaries(found.skipped)) or "none"
        raise InputError(
            f"Expected images below --{flag}={walking.utf8(root)}. Received: "
            f"{told}."
        )
    return Folder(root, split, found)


def _without(found: walking.Found, folder: walking.Parts) -> walking.Found:
    """Leaves out all that lies in a folder."""
    start = walking.utf8(os.path.join(*folder, ""))
    return walking.Found(
        tuple(p for p in found.images if p[: len(folder)] != folder),
        tuple(bad for bad in found.skipped if not bad[0].startswith(start)),
    )


def measure(
    config: ExploreConfig,
    directory: ExploreDirectory,
    encoder: ImageEncoder,
    folders: Sequence[Folder],
) -> Measured:
    """Measures and embeds the images, and those of the reference.

    Raises:
        InputError: If a folder holds no readable image.
    """
    with Store(directory.measured, encoder.mark) as store:
        found = [_measure(config, store, encoder, f) for f in folders]
    return measured.joined(*found) if found[1:] else found[0]


def _measure(
    config: ExploreConfig,
    store: Store,
    encoder: ImageEncoder,
    folder: Folder,
) -> Measured:
    found = measuring.measure(
        folder.found.images,
        folder.root,
        encoder.encode,
        store,
        image_size=encoder.image_size,
        form=encoder.form,
        split=folder.split,
        batch_size=config.batch_size,
    )
    skipped = (*folder.found.skipped, *found.skipped)
    return dataclasses.replace(found, skipped=skipped)
