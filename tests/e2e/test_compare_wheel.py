"""`compare` from end to end, with a wheel of the installed `adapters` in which one line is another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from importlib.metadata import files, version
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not version("adapters").startswith("1.3."), reason="the line is one of 1.3")
OFFLINE = {"PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}
MEAN = "torch.mean(\n                torch.stack"
SPEC = ("adapter_audit.auditor.toys:bert", "--compose", "average(a,b)", "--adapter", "seq_bn", "--no-config")


def wheel(folder: Path, number: str) -> Path:
    """The installed release under another number, in which `Average` sums what it has weighted already."""
    import adapters

    root = Path(str(adapters.__file__)).parent
    path = folder / f"adapters-{number}-py3-none-any.whl"
    info = f"adapters-{number}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for file in root.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            if file.name == "bottleneck.py":
                assert MEAN in text
                text = text.replace(MEAN, "torch.sum(\n                torch.stack")
            archive.writestr(f"adapters/{file.relative_to(root).as_posix()}", text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: adapters\nVersion: {number}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def cli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adapter_audit.auditor.cli", *arguments],
        cwd=folder,
        env=os.environ | OFFLINE | {"ADAPTER_AUDIT_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def installed_files() -> dict[str, float]:
    """What is installed of `adapters`, and when it was written."""
    found = [Path(str(file.locate())) for file in files("adapters") or ()]
    return {str(file): file.stat().st_mtime for file in found if file.suffix == ".py" and file.is_file()}


def test_what_broke_since_a_wheel(tmp_path: Path) -> None:
    before = installed_files()
    path = wheel(tmp_path, "1.2.9")
    reports = [f"--report={kind}={kind}.out" for kind in ("terminal", "json", "junit", "html", "markdown")]
    done = cli(tmp_path, "compare", *SPEC, "--against", str(path), *reports)
    assert done.returncode == 1, done.stderr
    (pair,) = json.loads((tmp_path / "json.out").read_text())["pairs"]
    assert pair["kind"] == "broken"
    assert [pair[side]["verdict"] for side in ("before", "after")] == ["compatible", "wrong"]
    assert pair["before"]["environment"]["adapters"] == "1.2.9"
    assert pair["after"]["environment"]["adapters"] == version("adapters")
    assert "bottleneck.py" in (tmp_path / "terminal.out").read_text()
    assert ET.parse(tmp_path / "junit.out").getroot().get("failures") == "1"
    assert installed_files() == before
    assert len(list((tmp_path / "cache" / "environments").glob("*/overlay.json"))) == 1

    again = cli(tmp_path, "compare", *SPEC, "--candidate", str(path), "--report", "json")
    assert again.returncode == 0, again.stderr
    assert [p["kind"] for p in json.loads(again.stdout)["pairs"]] == ["fixed"]
    assert len(list((tmp_path / "cache" / "environments").glob("*/overlay.json"))) == 1


def test_what_cannot_be_compared_is_one_line(tmp_path: Path) -> None:
    done = cli(tmp_path, "compare", *SPEC, "--against", "adapters==0.2.99")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (3, "")
    assert line.startswith("adapter-audit: adapters 0.2.99 cannot be installed here: ")
    for arguments, words in (
        ((*SPEC,), "nothing to compare with"),
        (("--against", "adapters==1.0.0", "--no-config"), "no audit is asked for"),
        (("bert", "--models", "bert", "--against", "adapters==1.0.0"), "not several of them"),
        (("bert", "--against", "adapters==1.0.0"), "--compose is missing"),
    ):
        done = cli(tmp_path, "compare", *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").glob("environments/*/"))
