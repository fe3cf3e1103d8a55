"""README.md and docs/: links, names of files, Python, notebooks, the site."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import subprocess
import sys

import ipykernel  # noqa: F401  Which the notebooks' client starts.
import keras
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from sklearn.datasets import load_digits

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
PLACES = "and_tf|export|benchmarks|configs|docs|examples|notebooks|tests"


def read(page: pathlib.Path) -> str:
    return page.read_text("utf-8")


def anchors(page: pathlib.Path) -> set[str]:
    """The headings of a page, as links name them."""
    titles = re.findall(r"^#+ (.+)$", read(page), re.M)
    words = (re.sub(r"[^\w\s-]", "", title.lower()) for title in titles)
    return {re.sub(r"\s+", "-", text.strip()) for text in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    for name in re.findall(rf"`((?:{PLACES})/[\w./-]*)`", read(page)):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"configs/\w+\.flags", read(page)):
        assert (ROOT / name).is_file(), name
    for module in re.findall(rf"`((?:{PLACES})(?:\.\w+)+)", read(page)):
        assert _imported(module), module


def _imported(name: str) -> bool:
    """Whether a name is a module, or what a module or a class has."""
    module, _, attribute = name.rpartition(".")
    try:
        if importlib.util.find_spec(name):
            return True
    except ModuleNotFoundError:
        pass  # The name before the last is no package.
    return bool(module) and hasattr(importlib.import_module(module), attribute)


def test_pictures_are_small():
    for path in (ROOT / "docs" / "images").iterdir():
        assert path.stat().st_size < 300_000, path.name


def test_readme_is_short():
    assert len(read(ROOT / "README.md").splitlines()) <= 200


def test_no_paragraph_stands_twice():
    seen: dict[str, str] = {}
    for page in PAGES:
        for paragraph in re.split(r"\n\s*\n", read(page)):
            text = " ".join(paragraph.split())
            if len(text) < 90 or text.startswith("`"):
                continue
            assert seen.setdefault(text, page.name) == page.name, text


def test_python_learns_from_an_array_of_images(tmp_path, monkeypatch):
    """The Python of docs/api.md on 120 digits in place of photos.npy."""
    text = read(ROOT / "docs" / "api.md")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = "\n".join(blocks)  # The later ones go on from the first.
    digits = load_digits()
    images = digits.images[:120, ..., None] / 16 * 255
    images = np.repeat(images.astype(np.uint8), 3, axis=-1)
    np.save(tmp_path / "photos.npy", images)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "docs/api.md", "exec"), names)

    embeddings = names["embeddings"]
    assert embeddings.shape == (120, 128)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -1)
    same = digits.target[:120][similarity.argmax(1)] == digits.target[:120]
    assert same.mean() > 0.5  # A tenth by chance.
    plain = keras.models.load_model("encoder.keras")
    found = plain.predict(images, verbose=0)
    np.testing.assert_allclose(found, embeddings, atol=1e-5)


def test_notebooks_run_without_a_network(tmp_path, monkeypatch):
    """All in one kernel, as each start of one imports TensorFlow again."""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert len(paths) == 5
    together = nbformat.v4.new_notebook()
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        code = [c for c in notebook.cells if c.cell_type == "code"]
        assert not any(c.outputs or c.execution_count for c in code), path.name
        together.cells += [*code, nbformat.v4.new_code_cell("%reset -f")]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(
        together,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()

    outputs = [o for cell in together.cells for o in cell.get("outputs", ())]
    printed = "".join(o.get("text", "") for o in outputs)
    (accuracy,) = re.findall(r"kNN top-1 ([\d.]+)%", printed)
    assert float(accuracy) > 50  # A tenth by chance.
    assert "the same embeddings: True" in printed
    assert any("image/png" in o.get("data", {}) for o in outputs)
    (cosine,) = re.findall(r"cosine with the encoder: ([\d.]+)", printed)
    assert float(cosine) > 0.95
    ((teacher, student),) = re.findall(
        r"^teacher: ([\d.]+)%, student: ([\d.]+)%$", printed, re.M
    )
    assert min(float(teacher), float(student)) > 80
    (tuned,) = re.findall(r"^fine_tuned +([\d.]+)%$", printed, re.M)
    assert float(tuned) > 70
    # Of what is found, the query itself is first.
    assert re.search(r"^0/000\.png +cosine 1\.000$", printed, re.M)
    assert re.search(r"^china/000\.png +0\.9\d$", printed, re.M)
    (share,) = re.findall(r"^neighbours: ([\d.]+) %", printed, re.M)
    assert float(share) > 90  # Of two photographs, a half by chance.


def test_the_site_is_built_and_asks_no_server(tmp_path):
    """As `make docs` does."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    built = subprocess.run(
        [*command, f"--site-dir={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    loaded = r"<(?:script|img)[^>]+src=\"?https?:|<link[^>]+href=\"?https?:"
    for path in tmp_path.rglob("*.html"):
        assert not re.search(loaded, read(path)), path
    assert "Examples:" in read(tmp_path / "api.html")
    assert (tmp_path / "benchmarks" / "SPEED.html").is_file()
