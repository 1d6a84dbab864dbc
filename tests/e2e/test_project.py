"""What the README promises, the generated documentation, and the built package."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_audit.auditor.project.settings import read_config
from adapter_audit.auditor.request.job import requested_job
from adapter_audit.auditor.schema.spec import AuditSpec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGING = re.compile(r"^(took|with|seen) .*$|[0-9,]+ ops.*$", re.MULTILINE)


def test_the_output_in_the_readme_is_real(run: Callable[..., Any]) -> None:
    example = re.search(r"```console\n\$ adapter-audit (.+)\n((?:.|\n)+?)```", README)
    assert example is not None
    done = run(*shlex.split(example[1]))
    assert done.code == 1
    assert CHANGING.sub("", done.out).split() == CHANGING.sub("", example[2]).split()


@pytest.mark.parametrize("target", ["audit", "test", "browser", "check", "docs", "site"])
def test_the_commands_in_the_readme_exist(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_links_of_the_repository_pages_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / target).exists(), f"{page}: {target}"


def test_configurations_in_the_documentation_are_valid() -> None:
    pages = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    blocks = [b for b in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[tool.adapter-audit" in b]
    assert blocks
    for block in blocks:
        read_config(tomllib.loads(block)["tool"]["adapter-audit"], block)


def test_specs_in_the_documentation_are_valid() -> None:
    lines = re.findall(r'^\{"id".*\}$', (ROOT / "docs" / "usage.md").read_text("utf-8"), re.MULTILINE)
    assert lines
    for line in lines:
        requested_job(AuditSpec.read_line(line))


def test_generated_documentation_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_has_all_that_is_needed(tmp_path: Path) -> None:
    """Data files and every package: what an editable install would hide."""
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    wanted = {name for name in listed if name.startswith(("auditor/", "rules/", "reports/"))}
    for name in (*wanted, "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        ".",
    ]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name.removeprefix("adapter_audit/") for name in zipfile.ZipFile(wheel).namelist()}
    left_out = {name for name in wanted if (source / name).is_file()} - packed
    assert left_out == set()
