"""The shipped catalogue: every entry builds, has its published size, and is found by name or nearly so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModel
from transformers.modeling_utils import no_init_weights
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from adapter_audit.auditor.request import catalogue
from adapter_audit.auditor.request.catalogue import CatalogueEntry, entries, lookup, names, nearest

MODELS = Path(catalogue.__file__).parent / "models"
TOLERANCE = 0.01
SUPPORTED = {
    *("albert", "bart", "beit", "bert", "bert-generation", "clip", "deberta", "deberta-v2", "distilbert"),
    *("electra", "gpt2", "gptj", "llama", "mbart", "mistral", "mt5", "plbart", "roberta", "t5", "vit"),
    *("whisper", "xlm-roberta", "xmod"),
}
READ_WITHOUT_DEFAULT = {
    *(
        "position_buckets",
        "norm_rel_ebd",
        "share_att_key",
        "conv_kernel_size",
        "conv_act",
        "attention_head_size",
    ),
}
PLUGGED_IN = {"modernbert", "gemma2", "gemma3_text", "qwen2", "qwen3", "phi", "phi3"}


def parameters_on_meta(entry: CatalogueEntry, class_name: str) -> int:
    config = AutoConfig.for_model(**entry.config_arguments())
    with torch.device("meta"), no_init_weights():
        model = getattr(transformers, class_name)(config)
    model.tie_weights()  # left out together with the initial weights
    return sum(p.numel() for p in model.parameters())


def described(entry: CatalogueEntry) -> str:
    return entry.id


@pytest.mark.parametrize("entry", entries(), ids=described)
def test_builds_on_meta(entry: CatalogueEntry) -> None:
    config = AutoConfig.for_model(**entry.config_arguments())
    assert config.model_type == entry.config["model_type"]
    with torch.device("meta"), no_init_weights():
        model = AutoModel.from_config(config)
    assert {p.device.type for p in model.parameters()} == {"meta"}


@pytest.mark.parametrize("entry", [e for e in entries() if e.parameters is not None], ids=described)
def test_has_the_published_number_of_parameters(entry: CatalogueEntry) -> None:
    counted = parameters_on_meta(entry, entry.counted_on or entry.config["architectures"][0])
    assert counted == pytest.approx(entry.parameters, rel=TOLERANCE)


@pytest.mark.parametrize("entry", entries(), ids=described)
def test_no_field_is_a_misspelling(entry: CatalogueEntry) -> None:
    """A config class swallows a misspelt key: each must have a default or be one the model code asks for."""
    config = AutoConfig.for_model(**entry.config_arguments())
    defaults = type(config)()
    assert {key for key in entry.config if not hasattr(defaults, key)} <= READ_WITHOUT_DEFAULT


@pytest.mark.parametrize("entry", entries(), ids=described)
def test_says_where_it_comes_from(entry: CatalogueEntry) -> None:
    assert len(entry.source) > 10
    assert len(entry.checked) > 10
    assert entry.config["model_type"] in CONFIG_MAPPING
    assert all(hasattr(transformers, name) for name in entry.config["architectures"])


@pytest.mark.parametrize(
    ("name", "has_one"), [("microsoft/deberta-v2-xlarge", True), ("microsoft/deberta-v3-base", False)]
)
def test_deberta_has_its_conv_layer_where_the_checkpoint_has_one(name: str, has_one: bool) -> None:
    entry = lookup(name)
    assert entry is not None
    with torch.device("meta"), no_init_weights():
        model = AutoModel.from_config(AutoConfig.for_model(**entry.config_arguments()))
    assert (model.encoder.conv is not None) is has_one


def test_covers_every_supported_model_type() -> None:
    types = {entry.config["model_type"] for entry in entries()}
    assert types == SUPPORTED | PLUGGED_IN
    assert len(entries()) >= 90


def test_names_are_unique() -> None:
    folded = [name.casefold() for name in names()]
    assert len(folded) == len(set(folded))


def test_a_name_claimed_twice_is_refused() -> None:
    one = CatalogueEntry("org/one", ("one",), {}, "s", "c")
    two = CatalogueEntry("org/two", ("ONE",), {}, "s", "c")
    with pytest.raises(ValueError, match="names both 'org/one' and 'org/two'"):
        catalogue._index_of([one, two])


def test_files_hold_nothing_but_the_known_fields() -> None:
    known = {"id", "aliases", "parameters", "counted_on", "config", "source", "checked"}
    for path in MODELS.glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["family"] == path.stem
        for raw in content["entries"]:
            assert set(raw) <= known, raw["id"]


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("t5-base", "t5-base"),
        ("google-t5/t5-base", "t5-base"),
        ("BERT-base-uncased", "bert-base-uncased"),
        ("google-bert/bert-base-uncased", "bert-base-uncased"),
        ("qwen/qwen2.5-7b-instruct", "Qwen/Qwen2.5-7B-Instruct"),
        ("meta-llama/Meta-Llama-3.1-70B", "meta-llama/Llama-3.1-70B"),
    ],
)
def test_lookup_ignores_case_and_knows_aliases(name: str, id_: str) -> None:
    entry = lookup(name)
    assert entry is not None
    assert entry.id == id_


@pytest.mark.parametrize("name", ["t5-bsae", "flan-t5-base", "google/t5-base", ""])
def test_lookup_is_exact_otherwise(name: str) -> None:
    assert lookup(name) is None


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("t5-bsae", "t5-base"),
        ("flan-t5-base", "google/flan-t5-base"),
        ("google/t5-base", "t5-base"),
        ("bert-base-uncassed", "bert-base-uncased"),
        ("Llama-3.1-70B", "meta-llama/Llama-3.1-70B"),
        ("fecebook/mbart-large-cc25", "facebook/mbart-large-cc25"),
        ("vit-base-patch16-224", "google/vit-base-patch16-224"),
        ("DEBERTA-V3-LARGE", "microsoft/deberta-v3-large"),
        ("llama-3-8b", "meta-llama/Meta-Llama-3-8B"),
        ("mbart-large-50", "facebook/mbart-large-50"),
        ("t5", "t5-3b"),
        ("bert", "bert-base-cased"),
    ],
)
def test_nearest_puts_what_was_meant_first(typo: str, meant: str) -> None:
    found = nearest(typo)
    entry = lookup(found[0])
    assert entry is not None
    assert entry == lookup(meant)
    assert len(found) == 3


def test_nearest_names_each_checkpoint_once() -> None:
    found = [lookup(name) for name in nearest("bert-base-uncased", n=10)]
    assert len({entry.id for entry in found if entry is not None}) == 10


@pytest.mark.parametrize("name", ["zzzzqqqq", "z", ""])
def test_nearest_does_not_guess_wildly(name: str) -> None:
    assert nearest(name) == []


def test_copies_do_not_touch_the_catalogue() -> None:
    entry = lookup("meta-llama/Llama-3.1-70B")
    assert entry is not None
    entry.config_arguments()["rope_scaling"]["factor"] = 0
    assert entry.config["rope_scaling"]["factor"] == 8.0
    with pytest.raises(TypeError):
        entry.config["vocab_size"] = 1  # type: ignore[index]


def test_is_read_without_heavy_imports() -> None:
    program = (
        "import sys\n"
        "from adapter_audit.auditor.request import catalogue\n"
        "assert catalogue.lookup('t5-base') is not None\n"
        "print(*{'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert out.split() == []
