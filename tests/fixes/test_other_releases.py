"""--check-releases: another release is audited in an environment of its own, which is kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.version import Version

from adapter_audit.auditor.environments.installer import NotInstallable
from adapter_audit.auditor.environments.overlays import Overlays
from adapter_audit.auditor.fixes.release import release_search as releases
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

    def difference(self, requirements: Sequence[str]) -> list[str]:
        return [r for r in requirements if r.startswith("adapters==")]

    def install(self, exact: Sequence[str], folder: Path) -> None:
        import adapters

        (requirement,) = exact
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
def own_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "release_of", lambda _package: str(OWN))


@pytest.mark.usefixtures("own_is_130")
def test_nearest_release_first_and_newer_before_older() -> None:
    index = Fake("2.0.0", "1.5.0", "1.4.0", "1.3.0", "1.2.0", "1.1.1", "0.1.2")
    assert [str(v) for v in other_releases(LIBRARY, index)] == ["1.4.0", "1.5.0", "1.2.0", "1.1.1"]


@pytest.mark.usefixtures("own_is_130")
def test_release_without_the_finding_is_proven(tmp_path: Path) -> None:
    spec = AuditSpec.read(SPEC)
    index = Fake("1.4.0", "1.3.9", repaired="1.4.0")
    fix = release_fix(resolved_job(spec), [Version("1.3.9"), Version("1.4.0")], Overlays(tmp_path, index))
    assert (fix.kind, fix.status, fix.title) == ("upgrade", "verified", "upgrade to adapters 1.4.0")
    assert "pip install 'adapters==1.4.0' 'transformers==" in fix.code
    assert index.asked == ["adapters==1.3.9", "adapters==1.4.0"]


@pytest.mark.usefixtures("own_is_130")
def test_why_no_release_helps(tmp_path: Path) -> None:
    spec = AuditSpec.read(SPEC)
    fix = release_fix(resolved_job(spec), [Version("1.3.9"), Version("1.2.0")], Overlays(tmp_path, Fake()))
    assert fix.status == "failed"
    assert "1.3.9: average(a,b)" in fix.reason
    assert "1.2.0: cannot be installed here: adapters==1.2.0: no matching distribution" in fix.reason


def test_audit_asks_the_index_first_and_adds_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Fake("1.4.0", repaired="1.4.0")
    monkeypatch.setattr(releases, "chosen_installer", lambda: index)
    result = audit(SPEC, releases=True, environments=str(tmp_path))
    assert [f.title for f in result.findings[0].fixes if f.kind == "upgrade" and f.status == "verified"] == [
        "upgrade to adapters 1.4.0"
    ]
    healthy = {**SPEC, "compose": "stack(a)"}
    assert audit(healthy, releases=True, environments=str(tmp_path)).findings == ()
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
