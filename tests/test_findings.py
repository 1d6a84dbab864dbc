"""The pages of docs/findings: their scripts print what they say, and their patches mend what they show.

Every script runs twice, on the library and on a copy with the page's patch. Pages of `peft` are for a release
of it in a folder of its own (see `peft_releases`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
from peft_releases import FOLDERS, MISSING, environment_of

FINDINGS = Path(__file__).parents[1] / "docs" / "findings"
RELEASE, PEFT = "1.3.0", "0.21.2"
PAGES = {
    "adapters": sorted(FINDINGS.glob("[0-9]*.md")),
    "peft": sorted((FINDINGS / "peft").glob("[0-9]*.md")),
}
ALL = [path for paths in PAGES.values() for path in paths]
SECONDS = 300


class Page(NamedTuple):
    """What a page shows."""

    script: str
    output: str
    patch: str
    console: str


def read(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")

    def block(language: str) -> str:
        (found,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)
        return str(found)

    return Page(block("python"), block("text"), block("diff"), block("console"))


def package_of(path: Path) -> str:
    """The library that a page is about."""
    return next(package for package, paths in PAGES.items() if path in paths)


RUN_ALL = """
import contextlib, io, json, os, sys, traceback
import torch, transformers
from transformers import BertModel, DistilBertModel, GPT2Model, GPTJModel, LlamaModel, MistralModel

torch.set_num_threads(1)
for number, (script, library) in enumerate(json.load(sys.stdin)):
    child = os.fork()
    if child == 0:
        if library:
            sys.path.insert(0, library)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(script, "<finding>", "exec"), {"__name__": "__main__"})
        except BaseException:
            printed.write(traceback.format_exc())
        with open(sys.argv[1] + "/" + str(number), "w", encoding="utf-8") as file:
            file.write(printed.getvalue())
        os._exit(0)
    os.waitpid(child, 0)
"""
"""Imports the libraries that take seconds once; each script then has a process of its own."""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Path, bool], str]:
    """What every script prints: by page, and whether on the patched library."""
    found = {}
    for package, paths in PAGES.items():
        folder = tmp_path_factory.mktemp(package)
        jobs = [(path, patched) for path in paths for patched in (False, True)]
        work = [(read(p).script, str(patched_copy(p, folder / p.stem)) if fixed else "") for p, fixed in jobs]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUN_ALL, str(folder)],
            input=json.dumps(work),
            text=True,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
            env=environment_of(PEFT) if package == "peft" else dict(os.environ, OMP_NUM_THREADS="1"),
        )
        assert done.returncode == 0, done.stderr
        found |= {job: (folder / str(n)).read_text(encoding="utf-8") for n, job in enumerate(jobs)}
    return found


def patched_copy(path: Path, folder: Path) -> Path:
    """A copy of the library with the page's patch; compiled files are kept, Python sees which are old."""
    shutil.copytree(installed(package_of(path)), folder / package_of(path))
    subprocess.run(["git", "apply", "-"], input=read(path).patch, text=True, check=True, cwd=folder)
    return folder


def installed(package: str) -> Path:
    """The folder of the library; not imported, so that this test stays light."""
    from importlib.machinery import PathFinder

    if package == "peft":
        assert PEFT in FOLDERS, MISSING
        return FOLDERS[PEFT] / package

    found = PathFinder.find_spec(package)  # `importlib.util` asks the imported module, which has no spec
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def test_pages_are_for_the_installed_release() -> None:
    assert version("adapters") == RELEASE
    assert {package: len(paths) >= 5 for package, paths in PAGES.items()} == dict.fromkeys(PAGES, True)


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_script_prints_what_the_page_says(path: Path, printed: dict[tuple[Path, bool], str]) -> None:
    assert read(path).output.endswith("defect\n")
    assert printed[path, False] == read(path).output


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_patch_mends_what_the_page_shows(path: Path, printed: dict[tuple[Path, bool], str]) -> None:
    assert printed[path, True].endswith("as expected\n")


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_lines_named_as_cause_are_there(path: Path) -> None:
    package = package_of(path)
    cause = rf"^- `{package}/(\S+?):(\d+)`: `([^`]+)`$"
    named = re.findall(cause, path.read_text(encoding="utf-8"), re.M)
    assert named
    for file, line, code in named:
        there = (installed(package) / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        begin = code.split("...")[0].split("([")[0]
        assert len(begin) > 3
        assert begin in there


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_page_is_in_the_index(path: Path) -> None:
    assert f"]({path.name})" in (path.parent / "index.md").read_text(encoding="utf-8")
