"""Builds the release, and tries what was built as a user gets it: in clean environments, without the sources.

    python -m tools.try_release [--tag v1.2.3] [--without-models]

1. Wheel and sdist are built (the wheel from the sdist), `twine check --strict` reads them, and the wheel must
   hold every tracked file of the packages, no more and no less.
2. With each Python from 3.10 on that is there: the wheel alone, without torch. `lint` and `explain` work.
3. With this Python: the wheel with `[models]`. The main job works, and its result is rendered.
4. After `pip uninstall` no file of it is left.

A tag must be the version, and CHANGELOG.md must have a part for it. Writes `dist/`; otherwise exit 1,
and what failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from .project_facts import ProjectFacts

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
PARTS = ("auditor", "rules", "reports")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
FLAWED = """
from adapters.composition import Stack
class Layer(AdapterLayerBase):
    def forward(self, hidden_states):
        setup = self.get_active_setup()
        return self.layers[setup.first()](hidden_states)
"""


def main() -> int:
    """Build, look inside, install, use, remove."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tag", default="", help="the tag that is released")
    parser.add_argument("--without-models", action="store_true", help="leave out the environment with torch")
    options = parser.parse_args()
    if options.tag:
        check_tag(options.tag)
    wheel = built()
    check_contents(wheel)
    for python in pythons():
        with Environment(python, str(wheel)) as environment:
            try_light(environment)
    if not options.without_models:
        with Environment(sys.executable, f"{wheel}[models]") as environment:
            try_light(environment)
            try_models(environment)
    return 0


def check_tag(tag: str) -> None:
    """The tag is the version, and the changelog tells about it."""
    version = ProjectFacts.read(ROOT).version
    if tag != f"v{version}":
        sys.exit(f"the tag is {tag} and the version in pyproject.toml is {version}: change one of them")
    if not re.search(
        rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    ):
        sys.exit(f"CHANGELOG.md has no part '## {version}': name the unreleased one so")


def built() -> Path:
    """The wheel, made from the sdist. What an earlier build left would be packed again: it is removed."""
    for left in (DIST, ROOT / "build" / "lib", *ROOT.glob("*.egg-info")):
        if left.name != "adapter_audit.egg-info":  # the environment of the sources needs it
            shutil.rmtree(left, ignore_errors=True)
    run([sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT)])
    run([sys.executable, "-m", "twine", "check", "--strict", *map(str, DIST.iterdir())])
    return next(DIST.glob("*.whl"))


def check_contents(wheel: Path) -> None:
    """The wheel holds what git tracks of the packages."""
    names = subprocess.run(
        ["git", "ls-files", *PARTS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    wanted = {f"adapter_audit/{name}" for name in names if (ROOT / name).is_file()}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("adapter_audit/")}
    if wanted != packed:
        sys.exit(f"not packed: {sorted(wanted - packed)}; packed, not tracked: {sorted(packed - wanted)}")
    print(f"{wheel.name}: {len(packed)} files, all that is tracked", flush=True)


def pythons() -> list[str]:
    """An interpreter of each of these versions that is there and runs: on the path, or kept by pyenv."""
    kept = [str(folder) for folder in Path.home().glob(".pyenv/versions/*/bin")]
    folders = [*os.get_exec_path(), *kept]
    candidates = ([str(Path(f) / f"python{version}") for f in folders] for version in PYTHONS)
    return [found for paths in candidates if (found := next(filter(_runs, paths), None))]


def _runs(python: str) -> bool:
    """Whether it is there, and no mere promise of one, as a shim of pyenv can be."""
    return (
        Path(python).is_file()
        and not subprocess.run(
            [python, "-c", "import venv, ensurepip"], capture_output=True, check=False
        ).returncode
    )


class Environment:
    """A virtual environment of its own in an empty folder, with one requirement; gone afterwards."""

    def __init__(self, python: str, requirement: str) -> None:
        self.python, self.requirement = python, requirement
        self.folder = Path(tempfile.mkdtemp(prefix="adapter-audit-"))
        self.bin = self.folder / "venv" / "bin"
        self.started = time.perf_counter()

    def __enter__(self) -> Environment:
        run([self.python, "-m", "venv", str(self.folder / "venv")])
        self._pip("install", "--quiet", "-c", str(ROOT / "constraints.txt"), self.requirement)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._check_uninstalled()
        finally:
            shutil.rmtree(self.folder)

    def tool(self, *arguments: str, code: int = 0) -> str:
        """What the installed command prints; its exit code must be this one."""
        return run([str(self.bin / "adapter-audit"), *arguments], cwd=self.folder, code=code)

    def has(self, module: str) -> bool:
        """Whether a module can be imported there."""
        asked = [str(self.bin / "python"), "-c", f"import {module}"]
        return subprocess.run(asked, capture_output=True, check=False, env=_bare()).returncode == 0

    def _pip(self, *arguments: str) -> None:
        run([str(self.bin / "python"), "-m", "pip", "--disable-pip-version-check", *arguments])

    def _check_uninstalled(self) -> None:
        self._pip("uninstall", "--quiet", "--yes", "adapter-audit")
        packages = self.folder / "venv"
        left = [
            str(p) for p in packages.rglob("*") if re.search(r"adapter[_-]audit/", str(p)) and p.is_file()
        ]
        if left:
            sys.exit(f"left after uninstalling: {left}")
        took = time.perf_counter() - self.started
        print(f"{Path(self.python).name}: {Path(self.requirement).name} works, {took:.0f} s", flush=True)


def try_light(environment: Environment) -> None:
    """What needs no torch."""
    version = ProjectFacts.read(ROOT).version
    _holds(version in environment.tool("--version"), f"--version says {version}")
    (environment.folder / "flawed.py").write_text(FLAWED, "utf-8")
    _holds("AA604" in environment.tool("lint", "flawed.py", code=1), "lint finds AA604")
    _holds("AA101" in environment.tool("explain", "AA101"), "explain prints the page of a rule")
    if not environment.has("torch"):
        told = environment.tool("t5-base", "--compose", "parallel:2", code=3)
        _holds("[models]" in told, "an audit without torch says what to install")


def try_models(environment: Environment) -> None:
    """The main job, and a report of its result."""
    result = environment.tool("t5-base", "--compose", "parallel:5", "--report", "json", "--no-cache")
    _holds(json.loads(result)["verdict"] == "compatible", "the main job")
    (environment.folder / "result.json").write_text(result, "utf-8")
    environment.tool("render", "result.json", "--report", "html=result.html")
    _holds("t5-base" in (environment.folder / "result.html").read_text("utf-8"), "the report is written")


def _holds(true: bool, what: str) -> None:
    if not true:
        sys.exit(f"does not hold in the installed package: {what}")


def _bare() -> dict[str, str]:
    """The environment variables without those that would let the sources be found."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ADAPTER_AUDIT"))
    }


def run(command: Sequence[str], cwd: Path | None = None, code: int = 0) -> str:
    """What a command prints, both ways; the end of everything where its exit code is another one."""
    done = subprocess.run(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=_bare(),
    )
    if done.returncode != code:
        sys.exit(f"{done.stdout}\n{' '.join(command)}: exit code {done.returncode}, wanted {code}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
