"""Reads the package's dependencies from the files that pip installs from.

Thus `pip install .` and `pip install -r requirements.txt` cannot disagree.
"""

from __future__ import annotations

import pathlib
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_EXTRAS = (
    "gpu", "hub", "onnx", "bench", "dev", "docs", "weights", "explore", "data",
    "beam", "track", "tiff", "stores",
)  # fmt: skip


class RequirementsHook(MetadataHookInterface):
    """A hatchling hook that fills in the dynamic fields of pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Sets the dependencies of the package and of each extra.

        Args:
            metadata: The project table, which is changed in place.
        """
        root = pathlib.Path(self.root)
        metadata["dependencies"] = requirements(root / "requirements.txt")
        metadata["optional-dependencies"] = {
            extra: requirements(root / f"requirements-{extra}.txt")
            for extra in _EXTRAS
        }


def requirements(path: pathlib.Path) -> list[str]:
    """Reads the requirements in a file.

    A line `-r requirements.txt` is skipped, because an extra is installed in
    addition to the dependencies in any case.

    Args:
        path: A requirements file with comments, requirements and `-r` lines.

    Raises:
        ValueError: If the file has another option, which a package's metadata
            cannot hold.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    bare = (line.partition("#")[0].strip() for line in lines)
    found = [line for line in bare if line and line != "-r requirements.txt"]
    options = [line for line in found if line.startswith("-")]
    if options:
        raise ValueError(
            f"Expected requirements and -r requirements.txt alone in {path}. "
            f"Received: {', '.join(options)}."
        )
    return found
