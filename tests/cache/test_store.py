"""The store: what is damaged, foreign or old is never believed, and many processes may share it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adapter_audit.auditor.cache.store as module
from adapter_audit.auditor.cache.store import Store, digest, open_store
from adapter_audit.auditor.errors import UsageError

KEY = digest("key")
FILES = {"a.py": "1", "b.py": "2"}


def files_of(store: Store) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def test_nothing_is_found_and_nothing_created_before_something_is_stored(store: Store) -> None:
    assert store.load(KEY, FILES.get) is None
    assert not store.root.exists()


def test_a_result_is_found_again(store: Store) -> None:
    store.save(KEY, FILES, "result")
    assert store.load(KEY, FILES.get) == "result"
    assert store.load(digest("another"), FILES.get) is None


@pytest.mark.parametrize("now", [{"a.py": "9", "b.py": "2"}, {"a.py": "1"}, {}])
def test_a_changed_or_missing_file_is_a_miss(store: Store, now: dict[str, str]) -> None:
    store.save(KEY, FILES, "result")
    assert store.load(KEY, now.get) is None


def test_states_of_the_files_are_kept_side_by_side(store: Store) -> None:
    states: list[dict[str, str]] = [FILES, FILES | {"a.py": "9"}, {"a.py": "1", "c.py": "3"}]
    for number, state in enumerate(states):
        store.save(KEY, state, f"result {number}")
    everything = FILES | {"c.py": "3"}
    assert store.load(KEY, states[1].get) == "result 1"
    assert store.load(KEY, FILES.get) == "result 0"
    assert store.load(KEY, {k: v for k, v in everything.items() if k != "b.py"}.get) == "result 2"


def test_lists_of_files_are_bounded(store: Store) -> None:
    for number in range(3 * module.MAX_LISTS):
        store.save(KEY, {f"{number}.py": "x"}, str(number))
    (manifest,) = store.root.rglob("*.list")
    assert len(json.loads(manifest.read_bytes().partition(b"\n")[2])["lists"]) == module.MAX_LISTS


def test_an_entry_under_a_foreign_name_is_not_believed(store: Store) -> None:
    other = digest("other")
    store.save(KEY, FILES, "result")
    store.save(other, FILES, "other result")
    first, second = (store._path(module._result_key(key, FILES), ".json") for key in (KEY, other))
    second.replace(first)
    assert store.load(KEY, FILES.get) is None


def test_every_single_byte_counts(store: Store) -> None:
    store.save(KEY, FILES, "result")
    for path in files_of(store):
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert store.load(KEY, FILES.get) is None
            path.write_bytes(whole[:at])
            assert store.load(KEY, FILES.get) is None
        path.write_bytes(whole)
    assert store.load(KEY, FILES.get) == "result"


def test_a_damaged_entry_is_written_anew(store: Store) -> None:
    store.save(KEY, FILES, "result")
    for path in files_of(store):
        path.write_bytes(b"damaged")
    store.save(KEY, FILES, "result")
    assert store.load(KEY, FILES.get) == "result"


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["key", "lists", "files", "result"]), inner, max_size=4)
    ),
)
BODY_BYTES = BODIES.map(lambda b: json.dumps(b).encode()) | st.integers(1, 10**5).map(lambda n: b"[" * n)


def sealed(body: bytes) -> bytes:
    """A body with the right checksum, as a confused writer could leave it."""
    return module.FORMAT + b" " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


@settings(deadline=None)
@given(content=st.binary(max_size=60) | BODY_BYTES | BODY_BYTES.map(sealed), which=st.integers(0, 1))
def test_any_content_is_a_miss(content: bytes, which: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "any")
    store.save(KEY, FILES, "result")
    path = files_of(store)[which]
    path.write_bytes(content)
    assert store.load(KEY, FILES.get) is None


def test_a_directory_or_a_link_in_the_way_is_a_miss(store: Store) -> None:
    store.save(KEY, FILES, "result")
    for path in files_of(store):
        path.unlink()
        path.mkdir()
    assert store.load(KEY, FILES.get) is None


def test_what_cannot_be_written_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    store = Store(tmp_path / "cache")
    (store.root / KEY[:2]).write_text("in the way")
    (store.root / module._result_key(KEY, FILES)[:2]).write_text("in the way")
    store.save(KEY, FILES, "result")
    assert str(store.root) in store.problem
    assert store.load(KEY, FILES.get) is None


def test_size_is_bounded_and_the_unused_go_first(tmp_path: Path) -> None:
    filling = Store(tmp_path / "cache")  # writing sweeps by itself, so it is done without the small limit
    store = Store(tmp_path / "cache", limit=60_000)
    keys = [digest(str(n)) for n in range(40)]
    now = time.time()
    for number, key in enumerate(keys):
        filling.save(key, FILES, "x" * 2000)
        for path in store.root.rglob("*"):
            if path.is_file() and path.stat().st_mtime > now - 1000:
                os.utime(path, (now - 5000 + number,) * 2)
    assert store.load(keys[0], FILES.get)
    store.sweep()
    assert store.size() <= 60_000
    assert store.load(keys[0], FILES.get), "was used last"
    assert store.load(keys[-1], FILES.get)
    assert store.load(keys[1], FILES.get) is None


def test_writing_sweeps_by_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", limit=30_000)
    for number in range(200):
        store.save(digest(str(number)), FILES, "x" * 2000)
    # Between two sweeps a process may write as much as SWEEP_EVERY entries.
    assert store.size() <= 30_000 + module.SWEEP_EVERY * 2600


def test_abandoned_temporary_files_are_removed(store: Store) -> None:
    store.save(KEY, FILES, "result")
    old, fresh = store.root / KEY[:2] / ".old.tmp", store.root / KEY[:2] / ".fresh.tmp"
    for path in (old, fresh):
        path.write_text("half")
    os.utime(old, (0, 0))
    store.sweep()
    assert not old.exists()
    assert fresh.exists()


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=0)
    for name in ("notes.txt", "ab/notes.txt", "abc/x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    store.save(KEY, FILES, "result")
    store.sweep()
    assert {p.name for p in files_of(store)} == {"notes.txt", "x.json"}


def test_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTER_AUDIT_CACHE", str(tmp_path / "variable"))
    assert open_store(None).root == tmp_path / "variable"
    assert open_store(tmp_path / "option").root == tmp_path / "option"
    monkeypatch.delenv("ADAPTER_AUDIT_CACHE")
    assert open_store(None).root.name == "adapter-audit"
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        open_store(tmp_path / "file")


WORKER = """
import random, sys
from pathlib import Path
from adapter_audit.auditor.cache.store import Store, digest
store, seed = Store(Path(sys.argv[1]), limit=400_000), int(sys.argv[2])
choice = random.Random(seed)
print("ready", flush=True)
wrong = hits = 0
for step in range(int(sys.argv[3])):
    number = choice.randrange(30)
    state = {"a.py": str(choice.randrange(3))}
    expected = f"{number} {state} " * 600
    text = store.load(digest(str(number)), state.get)
    if text is None:
        store.save(digest(str(number)), state, expected)
    else:
        hits += 1
        wrong += text != expected
print(hits, wrong, store.problem or "fine")
"""


def test_sixteen_processes_some_killed_and_files_damaged(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(root), str(seed), "100000000" if seed < 6 else "500"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(16)
    ]
    choice = random.Random(0)
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    victims = workers[:6]  # these would never end
    while any(worker.poll() is None for worker in workers[6:]) or victims:
        if victims:
            victims.pop().send_signal(signal.SIGKILL)
        for path in choice.sample(found := list(root.rglob("*.json")), min(2, len(found))):
            damage(path, choice)
        time.sleep(0.05)
    answers = [worker.communicate(timeout=60)[0].split() for worker in workers[6:]]
    assert [worker.wait(10) for worker in workers[:6]] == [-signal.SIGKILL] * 6
    assert all(int(hits) > 0 for hits, _, _ in answers)
    assert all(answer[1:] == ["0", "fine"] for answer in answers)


def damage(path: Path, choice: random.Random) -> None:
    """Overwrite some bytes in place, as a failing disk would; the file may vanish meanwhile."""
    try:
        with path.open("r+b") as file:
            file.seek(choice.randrange(max(1, os.path.getsize(path))))
            file.write(b"\x00damage\x00")
    except FileNotFoundError:
        return
