"""From a name to a configuration: the order of places, and one line for what cannot be found."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from adapter_audit.auditor.errors import AuditError, BuildError, UsageError
from adapter_audit.auditor.request import model_source as models
from adapter_audit.auditor.request.model_source import resolve


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


def model_in(folder: Path, **fields: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **fields}))
    return folder


def test_directory_and_file(tmp_path: Path) -> None:
    folder = model_in(tmp_path / "mine", hidden_size=8)
    for name in (str(folder), str(folder / "config.json")):
        source = resolve(name)
        assert source.config == {"model_type": "bert", "hidden_size": 8}
        assert source.directory == folder


def test_function() -> None:
    source = resolve("adapter_audit.auditor.toys:bert")
    assert source.origin == "function"
    assert source.factory is not None
    assert type(source.factory()).__name__ == "BertModel"


def test_cache_comes_before_the_catalogue(empty_cache: Path) -> None:
    assert resolve("t5-base").origin == "catalogue"
    model_in(empty_cache / "models--t5-base" / "snapshots" / "abc", d_model=16)
    source = resolve("t5-base")
    assert (source.origin, source.config) == ("cache", {"model_type": "bert", "d_model": 16})


def test_a_directory_comes_before_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model_in(tmp_path / "t5-base")
    assert resolve("t5-base").origin == "directory"


def test_the_hub_is_asked_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.delenv("HF_HUB_OFFLINE")
    file = model_in(tmp_path / "download") / "config.json"
    asked = []

    def download(name: str, *arguments: object, **options: object) -> str:
        asked.append(name)
        return str(file)

    monkeypatch.setattr(models, "_reach_hub", lambda: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert resolve("someone/unheard-of").origin == "hub"
    assert asked == ["someone/unheard-of"]
    assert resolve("t5-base").origin == "catalogue"
    with pytest.raises(UsageError, match="offline"):
        resolve("someone/unheard-of", offline=True)


def test_what_the_hub_says_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.delenv("HF_HUB_OFFLINE")

    def download(*arguments: object, **options: object) -> str:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(models, "_reach_hub", lambda: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(UsageError) as caught:
        resolve("t5-bsae")
    assert "no route" in caught.value.line
    assert "t5-base" in caught.value.line
    assert "\n" not in caught.value.line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON: line 1, column 2"),
        ("[]", "expected a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "has no model_type"),
        ('{"model_type": 3}', "has no model_type"),
    ],
)
def test_broken_configurations(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UsageError) as caught:
        resolve(str(tmp_path))
    assert words in caught.value.line


def test_a_directory_without_configuration(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no config\.json"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("name", ["", " ", "a b", "./nowhere", "nowhere.json", "a/b/c", "~/nowhere"])
def test_names_of_nothing(name: str) -> None:
    with pytest.raises(UsageError):
        resolve(name)


def test_unknown_models_get_near_names() -> None:
    with pytest.raises(UsageError, match="google/flan-t5-base"):
        resolve("google/flan-t5-bse")


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("no_such_module_at_all:f", BuildError, "cannot import no_such_module_at_all"),
        ("adapter_audit.auditor.toys:nothing", UsageError, "has no function 'nothing'"),
        ("adapter_audit.auditor.toys:WIDTH", UsageError, "has no function 'WIDTH'"),
    ],
)
def test_functions_that_are_none(name: str, kind: type[AuditError], words: str) -> None:
    with pytest.raises(kind) as caught:
        resolve(name)
    assert words in caught.value.line


def test_a_module_that_fails_on_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fails_on_import.py").write_text("raise RuntimeError('first\\nsecond')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(BuildError, match="RuntimeError: first"):
        resolve("fails_on_import:f")


def test_a_hub_out_of_reach_is_one_line_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    started = time.perf_counter()
    with pytest.raises(UsageError, match="did you mean t5-base"):
        resolve("t5-bsae")
    assert time.perf_counter() - started < models.HUB_TIMEOUT + 5
