"""Write the tables of docs/scale.md, which are computed and not run.

    python -m benchmarks.scale

Bytes come from the code, hours from benchmarks/results/speed/ and from what is
assumed of a GPU. Each table stands between two comments with its name; the text
around them stays. A test holds the page to what this writes.
"""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.utils import atomic_files, cli


def main(argv: Sequence[str]) -> None:
    """Fill in the tables."""
    del argv
    cli.import_tensorflow()
    from benchmarks.scale import page

    text = page.filled(page.PATH.read_text("utf-8"))
    atomic_files.write_text(page.PATH, text)
    print(f"wrote {page.PATH}")


if __name__ == "__main__":
    cli.run(main)
