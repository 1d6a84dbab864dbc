"""An audit through the cache, end to end: found again at once, and only while nothing has changed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_run import TINY_BERT, Cli, Done, import_first, run

MODELING = "adapters/models/bert/modeling_bert.py"
ANSWER = """
import sys
from pathlib import Path
from adapter_audit.auditor.jobs.cached_audit import lookup
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.cache.store import open_store
from adapter_audit.auditor.schema.spec import AuditSpec
spec = AuditSpec(model="bert", compose="parallel:2", adapter="seq_bn")
found = lookup(resolved_job(spec), open_store(None))
assert "torch" not in sys.modules
print("miss" if found is None else found.verdict.value)
"""


@dataclass(frozen=True)
class Place:
    """A folder with a model, a cache, and its own copy of the adapter library that comes first."""

    root: Path

    @property
    def env(self) -> dict[str, str]:
        cache = {"ADAPTER_AUDIT_CACHE": str(self.root / "cache")}
        return import_first(self.root / "library") | cache

    def audit(self, *options: str) -> Done:
        arguments = ("bert", "--compose", "parallel:2", "--adapter", "seq_bn", *options)
        return run(arguments, self.root, self.env)

    def answer(self) -> str:
        """What the cache says: `miss`, or the verdict."""
        done = subprocess.run(
            [sys.executable, "-c", ANSWER],
            cwd=self.root,
            env=os.environ | self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("place")
    (root / "bert").mkdir()
    (root / "bert" / "config.json").write_text(TINY_BERT)
    found = importlib.metadata.distribution("adapters")
    library = root / "library"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(str(found.locate_file("adapters")), library / "adapters", ignore=skip)
    info = library / f"adapters-{found.version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: adapters\nVersion: {found.version}\n")
    return Place(root)


@pytest.fixture(scope="module")
def first(place: Place) -> Done:
    done = place.audit("--report", "json")
    assert done.code == 0, done.err
    return done


@pytest.fixture
def edited(place: Place, first: Done, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The place with one file changed; the change is taken back afterwards."""
    path = place.root / request.param
    before = path.read_text()
    path.write_text(before.replace('"num_attention_heads": 4', '"num_attention_heads": 2') + "\n")
    yield place
    path.write_text(before)


def test_the_second_run_is_the_same_and_without_torch(place: Place, first: Done) -> None:
    assert "torch" in first.loaded
    second = place.audit("--report", "json")
    assert second.out == first.out
    assert second.code == 0
    assert second.loaded == ()


def test_another_id_is_the_same_audit(place: Place, first: Done) -> None:
    spec = {"id": "named", "model": "bert", "compose": "parallel:2", "adapter": "seq_bn"}
    (place.root / "specs.jsonl").write_text(json.dumps(spec) + "\n")
    done = run(("batch", "specs.jsonl"), place.root, place.env)
    assert done.loaded == ()
    (result,) = map(json.loads, done.out.splitlines())
    assert result["id"] == result["spec"]["id"] == "named"
    assert result["verdict"] == json.loads(first.out)["verdict"]


@pytest.mark.parametrize(
    "edited",
    [
        f"library/{MODELING}",
        "library/adapters/composition.py",
        "library/adapters/model_mixin.py",
        "library/adapters/configuration/adapter_config.py",
    ],
    indirect=True,
)
def test_a_line_in_a_file_of_the_run_is_a_miss(edited: Place) -> None:
    assert edited.answer() == "miss"


@pytest.mark.parametrize("edited", ["bert/config.json"], indirect=True)
def test_a_field_of_the_model_configuration_is_a_miss(edited: Place) -> None:
    assert edited.answer() == "miss"


def test_a_file_that_the_run_does_not_use_is_no_miss(place: Place, first: Done) -> None:
    path = place.root / "library/adapters/models/t5/modeling_t5.py"
    before = path.read_text()
    path.write_text(before + "\n")
    assert place.answer() == "compatible"
    path.write_text(before)


def test_another_release_is_a_miss(place: Place, first: Done) -> None:
    (info,) = (place.root / "library").glob("adapters-*.dist-info")
    other = info.with_name("adapters-1.99.dist-info")
    info.rename(other)
    assert place.answer() == "miss"
    other.rename(info)
    assert place.answer() == "compatible"


def test_a_new_rule_is_a_miss(place: Place, first: Done) -> None:
    info = place.root / "library" / "plugged-1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[adapter_audit.rules]\nx = json\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1\n")
    assert place.answer() == "miss"
    shutil.rmtree(info)
    assert place.answer() == "compatible"


def test_damaged_entries_are_recomputed(place: Place, first: Done) -> None:
    entries = [p for p in (place.root / "cache").rglob("*") if p.suffix in (".list", ".json")]
    for path in entries:
        path.write_bytes(path.read_bytes().replace(b"compatible", b"wrong", 1)[:-1] + b" ")
    assert place.answer() == "miss"
    again = place.audit("--report", "json")
    assert "torch" in again.loaded
    assert json.loads(again.out)["verdict"] == "compatible"
    assert place.answer() == "compatible"


def test_no_cache_neither_reads_nor_writes(place: Place, first: Done, tmp_path: Path) -> None:
    done = place.audit("--no-cache", "--cache-dir", str(tmp_path / "other"), "--static-only")
    assert "torch" in done.loaded
    assert not (tmp_path / "other").exists()


def test_a_file_written_after_the_start_is_not_trusted(place: Place, first: Done) -> None:
    """A process may have loaded the older form of a file that it finds in its newer one."""
    path = place.root / "library" / MODELING
    before = path.stat()
    os.utime(path, (before.st_atime, time.time() + 3600))
    entries = sorted(p.name for p in (place.root / "cache").rglob("*.json"))
    done = place.audit("--static-only")
    assert "torch" in done.loaded
    assert sorted(p.name for p in (place.root / "cache").rglob("*.json")) == entries
    os.utime(path, (before.st_atime, before.st_mtime))


def test_a_cache_that_cannot_be_written_is_said_and_harms_nothing(
    cli: Cli, bert: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    for number in range(256):
        (tmp_path / "cache" / f"{number:02x}").write_text("in the way")
    done = cli("bert", "--compose", "parallel:2", "--static-only", "-q")
    assert done.code == 0
    assert [line for line in done.lines if "cannot write the cache" in line]
