"""--check-releases: another release is audited in a folder of its own, and nothing is left of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from packaging.version import Version

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.fixes.release import release_search as releases
from adapter_audit.auditor.fixes.release.installer import NotInstallable, Pip, install_release
from adapter_audit.auditor.fixes.release.release_search import other_releases, release_fix
from adapter_audit.auditor.jobs.one_audit import audit
from adapter_audit.auditor.library.adapters import LIBRARY
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.spec import AuditSpec

OWN = Version("1.3.0")
SPEC = {"model": "adapter_audit.auditor.toys:bert", "compose": "average(a,b)", "adapter": "seq_bn"}
MEAN = "torch.mean(\n                torch.stack"


class Fake:
    """An index with the installed release under other numbers; `repaired` ones sum the weighted states."""

    def __init__(self, *versions: str, repaired: str = "") -> None:
        self.listed, self.repaired = [Version(v) for v in versions], repaired
        self.asked: list[str] = []

    def versions(self, name: str) -> list[Version]:
        return self.listed

    def install(self, requirement: str, folder: Path) -> None:
        import adapters

        self.asked.append(requirement)
        name, _, version = requirement.partition("==")
        if version == "1.2.0":
            raise NotInstallable(f"{requirement}: no matching distribution")
        target = folder / name
        shutil.copytree(Path(str(adapters.__file__)).parent, target)
        if version == self.repaired:
            file = target / "methods" / "bottleneck.py"
            text = file.read_text()
            assert MEAN in text
            file.write_text(text.replace(MEAN, "torch.sum(\n" + "torch.stack"))
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def own_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "release_of", lambda _package: str(OWN))


@pytest.mark.usefixtures("own_is_130")
def test_nearest_release_first_and_newer_before_older() -> None:
    index = Fake("2.0.0", "1.5.0", "1.4.0", "1.3.0", "1.2.0", "1.1.1", "0.1.2")
    assert [str(v) for v in other_releases(LIBRARY, index)] == ["1.4.0", "1.5.0", "1.2.0", "1.1.1"]


@pytest.mark.usefixtures("own_is_130")
def test_release_without_the_finding_is_proven(nothing_left: Path) -> None:
    spec = AuditSpec.read(SPEC)
    index = Fake("1.4.0", "1.3.9", repaired="1.4.0")
    fix = release_fix(resolved_job(spec), [Version("1.3.9"), Version("1.4.0")], index)
    assert (fix.kind, fix.status, fix.title) == ("upgrade", "verified", "upgrade to adapters 1.4.0")
    assert "pip install 'adapters==1.4.0' 'transformers==" in fix.code
    assert index.asked == ["adapters==1.3.9", "adapters==1.4.0"]
    assert not list(nothing_left.iterdir())


@pytest.mark.usefixtures("own_is_130")
def test_why_no_release_helps(nothing_left: Path) -> None:
    spec = AuditSpec.read(SPEC)
    fix = release_fix(resolved_job(spec), [Version("1.3.9"), Version("1.2.0")], Fake())
    assert fix.status == "failed"
    assert "1.3.9: average(a,b)" in fix.reason
    assert "1.2.0: cannot be installed here: adapters==1.2.0: no matching distribution" in fix.reason
    assert not list(nothing_left.iterdir())


def test_needs_are_installed_where_the_environment_does_not_meet_them(tmp_path: Path) -> None:
    class Index:
        asked: list[str] = []  # noqa: RUF012 - one test, one index

        def versions(self, name: str) -> list[Version]:
            return []

        def install(self, requirement: str, folder: Path) -> None:
            self.asked.append(requirement)
            name, version, needs = {
                "one==1": ("one", "1", ["two<3,>=2", "pytest", "never; extra == 'dev'"]),
                "two<3,>=2": ("two", "2.5", ["torch>=1"]),
                "heavy==1": ("heavy", "1", ["torch<1"]),
            }[requirement]
            info = folder / f"{name}-{version}.dist-info"
            info.mkdir(parents=True)
            lines = "".join(f"Requires-Dist: {n}\n" for n in needs)
            (info / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}"
            )

    install_release(Index(), "one==1", tmp_path / "a")
    assert Index.asked == ["one==1", "two<3,>=2"]
    with pytest.raises(NotInstallable, match="needs torch<1"):
        install_release(Index(), "heavy==1", tmp_path / "b")


def test_index_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    with pytest.raises(
        UsageError, match=r"the releases of adapters cannot be listed: .*leave --check-releases"
    ):
        Pip().versions("adapters")


def test_audit_asks_the_index_first_and_adds_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Fake("1.4.0", repaired="1.4.0")
    monkeypatch.setattr(releases, "Pip", lambda: index)
    result = audit(SPEC, releases=True)
    assert [f.title for f in result.findings[0].fixes if f.kind == "upgrade" and f.status == "verified"] == [
        "upgrade to adapters 1.4.0"
    ]
    healthy = {**SPEC, "compose": "stack(a)"}
    assert audit(healthy, releases=True).findings == ()
    assert index.asked == ["adapters==1.4.0"]


@pytest.mark.parametrize("other", ["--offline", "--static-only"])
def test_what_excludes_a_download_is_refused_in_one_line(other: str) -> None:
    command = [
        "-m",
        "adapter_audit.auditor.cli",
        "bert",
        "--compose",
        "parallel:2",
        "--check-releases",
        other,
    ]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"--check-releases and {other} exclude each other" in done.stderr
    assert "Traceback" not in done.stderr
