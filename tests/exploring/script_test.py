"""The committed script of the page is what its sources build."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
WEB, BUILT = ROOT / "web", ROOT / "and_tf" / "exploring" / "page"


def test_it_is_what_the_sources_build(tmp_path):
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("no npm here, which builds it")
    shutil.copytree(
        WEB, tmp_path / "web", ignore=shutil.ignore_patterns("node_modules")
    )
    command = ["npm", "ci", "--prefer-offline", "--fetch-retries=0"]
    installed = subprocess.run(
        command, cwd=tmp_path / "web", capture_output=True, text=True
    )
    if re.search("ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN", installed.stderr):
        pytest.skip("npm reaches none of the packages that build it")
    assert installed.returncode == 0, installed.stderr
    for step in (["npm", "run", "check"], ["node", "build.mjs", tmp_path]):
        done = subprocess.run(
            step, cwd=tmp_path / "web", capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("explore.js", "NOTICE"):
        assert (tmp_path / name).read_bytes() == (BUILT / name).read_bytes()


def test_the_lock_names_no_host():
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    packages = {n: each for n, each in lock["packages"].items() if n}
    assert packages
    for name, each in packages.items():
        assert "resolved" not in each
        assert each["integrity"].startswith("sha512-"), name


def test_licences_of_all_packages_go_with_it():
    notice = (BUILT / "NOTICE").read_text(encoding="utf-8")
    script = (BUILT / "explore.js").read_text(encoding="ascii")
    header = script[: script.index("*/")]
    named = re.findall(r"^ \* (\S+) ([\d.]+), (\S+): Copyright", header, re.M)
    assert {"preact", "d3-zoom", "@tanstack/virtual-core"} <= {
        name for name, _, _ in named
    }
    for name, version, licence in named:
        assert f"\n{name} {version} ({licence})\n" in notice
        assert licence in ("MIT", "ISC", "BSD-3-Clause")
    asked = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    assert set(asked["dependencies"]) <= {name for name, _, _ in named}
