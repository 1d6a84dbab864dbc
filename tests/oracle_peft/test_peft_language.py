"""The cells' own language is read as written."""

from __future__ import annotations

import pytest

from .language import Compose, adapter, compose


def test_rows_of_a_mixed_batch_follow_their_counts() -> None:
    assert compose("mixed(fr,de,__base__;2,1,1)").rows() == ("fr", "fr", "de", "__base__")
    assert compose("mixed(fr,de)").rows() == ("fr", "de")
    assert compose("active(fr,de)").rows() is None


def test_weights_and_their_way_of_combination() -> None:
    assert compose("weighted(a,b;0.7,-1;cat)") == Compose("weighted", ("a", "b"), (0.7, -1.0), "cat")


def test_adapter_arguments_are_values() -> None:
    name, arguments = adapter("lora[r=4,use_dora=True,target_modules=[query,value],rank_pattern={'q': 6}]")
    assert name == "lora"
    assert arguments == {
        "r": 4,
        "use_dora": True,
        "target_modules": ["query", "value"],
        "rank_pattern": {"q": 6},
    }
    assert adapter("ia3") == ("ia3", {})


@pytest.mark.parametrize("wrong", ["parallel(a,b)", "active(a", ""])
def test_what_is_no_composition_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"neither a word|not a composition"):
        compose(wrong)
