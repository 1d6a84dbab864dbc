"""pip and uv: how they are called, and what their answers mean."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from adapter_audit.auditor.environments import installer as module
from adapter_audit.auditor.environments.installer import NotInstallable, Pip, Uv, installer
from adapter_audit.auditor.errors import UsageError

UV = """#!{python}
import sys
open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if "adapters==9" in sys.argv:
    sys.stderr.write("  \\u00d7 No solution found when resolving:\\n")
    sys.stderr.write("  \\u2570\\u2500\\u25b6 there is no adapters==9\\n")
    sys.exit(1)
if "--dry-run" in sys.argv:
    sys.stderr.write("Would install 2\\n - adapters==1.3.0\\n + adapters==1.2.0\\n + Some_Thing==2.0\\n")
"""
NOBODY = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
}


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv that writes down its arguments; returns where."""
    program, log = tmp_path / "bin" / "uv", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(UV.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return log


def test_uv_where_it_is_there(uv: Path, tmp_path: Path) -> None:
    found = installer()
    assert isinstance(found, Uv)
    assert found.difference(["adapters==1.2.0", "torch==2.13.0"]) == ["adapters==1.2.0", "some-thing==2.0"]
    (tmp_path / "overlay").mkdir()
    found.install(["adapters==1.2.0"], tmp_path / "overlay" / "packages")
    asked, done = uv.read_text().splitlines()
    assert asked.endswith("--dry-run --color never adapters==1.2.0 torch==2.13.0")
    assert f"--python {sys.executable} --no-build" in asked
    assert "--no-deps" in done
    assert done.endswith(f"--target {tmp_path}/overlay/packages adapters==1.2.0")


def test_a_checkout_is_built_and_stays_what_was_asked_for(uv: Path) -> None:
    address = "adapters @ git+file:///path@0123"
    assert installer().difference([address, "torch==2.13.0"]) == [address, "some-thing==2.0"]
    assert "--no-build" not in uv.read_text()


@pytest.mark.usefixtures("uv")
def test_what_uv_says_is_one_line() -> None:
    with pytest.raises(NotInstallable, match=r"^No solution found .*: there is no adapters==9$"):
        installer().difference(["adapters==9"])


def test_pip_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    assert isinstance(installer(), Pip)
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match="neither uv nor pip"):
        installer()


def test_pip_finds_that_what_is_installed_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert Pip().difference(["packaging>=20"]) == []
    with pytest.raises(NotInstallable, match="adapter-of-nobody"):
        Pip().difference(["adapter-of-nobody==1"])


def test_index_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        UsageError, match=r"the releases of adapters cannot be listed: .*check the connection"
    ):
        Pip().versions("adapters")
