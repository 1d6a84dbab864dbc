"""The grid is large enough, and its cells are well formed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .grid import cells
from .history import STEPS
from .language import BASE, adapter, call, compose


def test_cells_are_many_and_different(tmp_path: Path) -> None:
    found = cells(tmp_path)
    assert len(found) >= 250
    assert len({c["id"] for c in found}) == len(found)
    bodies = Counter(str({k: v for k, v in c.items() if k != "id"}) for c in found)
    assert [body for body, count in bodies.items() if count > 1] == []


def test_cells_name_only_adapters_they_have_except_where_that_is_the_question(tmp_path: Path) -> None:
    for cell in cells(tmp_path):
        used = set(compose(cell["compose"]).names)
        for step in cell.get("history", ()):
            word, inside = call(step)
            assert word in STEPS
            if word != "error":
                used |= {n for n in inside.split(",") if n}
        strange = used - set(cell["adapters"]) - {BASE}
        assert bool(strange) == (cell["id"].startswith("unknown/") or cell["id"].endswith("-unknown")), cell[
            "id"
        ]


def test_every_tuner_and_every_kind_of_composition_is_there(tmp_path: Path) -> None:
    found = cells(tmp_path)
    assert {compose(c["compose"]).kind for c in found} == {"mixed", "active", "weighted"}
    assert len({adapter(text)[0] for c in found for text in c["adapters"].values()}) >= 40
    assert len({c["model"] for c in found}) >= 12
    assert {c.get("mode", "forward") for c in found} == {"forward", "train", "generate", "beam"}
