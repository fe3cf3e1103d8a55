"""Shows pages of the project that lie outside of docs/, where they lie.

Their place in the site is their place in the project. So a page of docs/ links
to ../benchmarks/SPEED.md, which works where the files themselves are read, and
the site has it at benchmarks/SPEED.
"""

from __future__ import annotations

import pathlib
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).parents[1]
PATTERNS = ("benchmarks/*.md", "benchmarks/*.png", "configs/README.md")
PATTERNS += ("CHANGELOG.md", "CONTRIBUTING.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, and the pictures that they show.

    Args:
        files: Those of docs/; changed in place.
        config: mkdocs.yml.
    """
    for pattern in PATTERNS:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Leads links out of docs/ to the pages that `on_files` added.

    Args:
        markdown: The page's text.
        page: The page; those that lie outside of docs/ are left alone.
        config: mkdocs.yml.
        files: All files of the site.
    """
    if page.file.generated_by:
        return markdown
    return re.sub(r"\]\(\.\./(?=[\w/]+\.md)", "](", markdown)
