"""Overlays: made once, found again, whole or not there, and nothing outside their folder is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from importlib.metadata import version
from pathlib import Path

import pytest
from fake_index import FakeIndex

from adapter_audit.auditor.environments import overlays as module
from adapter_audit.auditor.environments.change import Change, release
from adapter_audit.auditor.environments.installer import NotInstallable
from adapter_audit.auditor.environments.overlays import PARTIAL, RECORD, Overlays
from adapter_audit.auditor.environments.process_in_overlay import Died, lines_of
from adapter_audit.auditor.errors import UsageError

HALF_MADE = """
import sys, time
from pathlib import Path
from packaging.version import Version
from adapter_audit.auditor.environments.change import release
from adapter_audit.auditor.environments.overlays import Overlays

class Slow:
    def difference(self, requirements):
        return list(requirements)

    def install(self, exact, folder):
        (folder / "adapters").mkdir()
        print("half", flush=True)
        time.sleep(600)

Overlays(Path(sys.argv[1]), Slow()).overlay([release("adapters", Version("1.2.0"))])
"""


def adapters(number: str) -> Change:
    from packaging.version import Version

    return release("adapters", Version(number))


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def test_made_once_with_the_installed_torch_and_found_again(tmp_path: Path) -> None:
    index = FakeIndex()
    kept = Overlays(tmp_path, index)
    first = kept.overlay([adapters("1.2.0")])
    again = Overlays(tmp_path, index).overlay([adapters("1.2.0")])
    assert first == again
    assert index.installed == [["adapters==1.2.0"]]
    assert index.differences == [["adapters==1.2.0", f"torch=={version('torch').split('+')[0]}"]]
    assert first.folder is not None
    assert json.loads((first.folder.parent / RECORD).read_text())["installed"] == ["adapters==1.2.0"]
    assert kept.overlay([adapters("1.1.0")]).folder != first.folder


def test_what_metadata_does_not_say_is_asked_for(tmp_path: Path) -> None:
    index = FakeIndex()
    Overlays(tmp_path, index).overlay([adapters("1.0.0")])
    assert "huggingface-hub<0.26" in index.differences[0]


def test_another_state_of_what_is_installed_is_another_overlay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = FakeIndex()
    kept = Overlays(tmp_path, index)
    kept.overlay([adapters("1.2.0")])
    monkeypatch.setattr(module.platform, "python_version", lambda: "3.99.0")
    kept.overlay([adapters("1.2.0")])
    assert len(index.installed) == 2


def test_other_packages_play_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = FakeIndex()
    kept = Overlays(tmp_path, index)
    kept.overlay([adapters("1.2.0")])
    versions = {"ruff": "0.0.1"}
    real = metadata.version
    monkeypatch.setattr(module.metadata, "version", lambda name: versions.get(name) or real(name))
    kept.overlay([adapters("1.2.0")])
    assert len(index.installed) == 1
    versions["huggingface-hub"] = "0.0.1"
    kept.overlay([adapters("1.2.0")])
    assert len(index.installed) == 2


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    class Fails(FakeIndex):
        def install(self, exact: Sequence[str], folder: Path) -> None:
            super().install(exact, folder)
            raise NotInstallable("the disk is full")

    with pytest.raises(NotInstallable, match="disk is full"):
        Overlays(tmp_path, Fails()).overlay([adapters("1.2.0")])
    assert folders(tmp_path) == []


def test_killed_half_way_the_next_run_is_right(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HALF_MADE, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    assert [name for name in folders(tmp_path) if name.endswith(PARTIAL)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    overlay = Overlays(tmp_path, FakeIndex()).overlay([adapters("1.2.0")])
    assert overlay.folder is not None
    assert (overlay.folder / "adapters" / "__init__.py").is_file()
    assert folders(tmp_path) == [overlay.folder.parent.name]
    (tmp_path / f"{overlay.folder.parent.name}.orphan{PARTIAL}" / "temporary").mkdir(parents=True)
    assert Overlays(tmp_path, FakeIndex()).overlay([adapters("1.2.0")]) == overlay
    assert folders(tmp_path) == [overlay.folder.parent.name]


def test_beyond_the_limit_what_is_unused_for_longest_goes(tmp_path: Path) -> None:
    kept = Overlays(tmp_path, FakeIndex(), limit=150)
    old, older, fresh = (kept.overlay([adapters(v)]).folder for v in ("1.1.0", "1.1.1", "1.2.0"))
    for folder, days in ((old, 2), (older, 3)):
        assert folder is not None
        when = time.time() - days * 86_400
        os.utime(folder.parent / RECORD, (when, when))
    newest = kept.overlay([adapters("1.3.0")]).folder
    assert older is not None
    assert not older.exists()
    for folder in (fresh, newest):
        assert folder is not None
        assert folder.exists()


def test_a_package_cannot_be_changed_twice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"twice: adapters 1.1.0, adapters 1.2.0"):
        Overlays(tmp_path, FakeIndex()).overlay([adapters("1.1.0"), adapters("1.2.0")])


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write"):
        Overlays(tmp_path / "file" / "below", FakeIndex()).overlay([adapters("1.2.0")])


def test_a_process_in_an_overlay_finds_it_before_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "adapters").mkdir(parents=True)
    (here / "adapters" / "__init__.py").write_text("__version__ = 'of the current directory'\n")
    monkeypatch.chdir(here)
    overlay = Overlays(tmp_path / "kept", FakeIndex()).overlay([adapters("1.2.0")])
    (here / "say.py").write_text(
        "import sys, adapters\nprint(adapters.__version__)\nprint(sys.stdin.read())\n"
    )
    assert list(lines_of(overlay, "say", "asked", more_path=[str(here)])) == ["1.2.0\n", "asked\n"]
    (here / "die.py").write_text("print('one')\nraise SystemExit('gone')\n")
    said = lines_of(overlay, "die", "")
    assert next(said) == "one\n"
    with pytest.raises(Died, match="gone"):
        next(said)
    (here / "wait.py").write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(Died, match=r"within 0\.5 seconds"):
        list(lines_of(overlay, "wait", "", time_limit=0.5))
