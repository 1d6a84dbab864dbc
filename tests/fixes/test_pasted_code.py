"""The Python that a set-up change gives to paste does what its audit was told."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import adapters
import pytest
import torch
import transformers
from packaging.version import Version

from adapter_audit.auditor.fixes.search.setup_search import set_up_fix
from adapter_audit.auditor.fixes.setup import restored_modules as restored
from adapter_audit.auditor.fixes.setup.candidates import options
from adapter_audit.auditor.fixes.setup.same_adapters import TIMES
from adapter_audit.auditor.fixes.setup.setup_change import SetUp
from adapter_audit.auditor.request.job import Job
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.schema.result import Confidence, Finding, Location, Severity, Verdict
from adapter_audit.auditor.schema.spec import AuditSpec

XMOD = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "vocab_size": 61,
    "max_position_embeddings": 40,
    "languages": ["en_XX", "de_DE"],
    "default_language": "en_XX",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def pasted(code: str, **names: Any) -> dict[str, Any]:
    space: dict[str, Any] = {"adapters": adapters, "torch": torch, **names}
    exec(code, space)
    return space


def moved(model: Any) -> None:
    """Every parameter away from where it begins."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))


def unresolved(spec: AuditSpec) -> Job:
    return Job.of(spec, ModelSource(spec.model, "not looked for"))


def option(compose: str, title: str, **fields: Any) -> SetUp:
    spec = AuditSpec.read({"model": "m", "compose": compose, **fields})
    return next(o for o in options(unresolved(spec)) if o.title == title)


def small_bert() -> Any:
    config = transformers.BertConfig(
        hidden_size=32, intermediate_size=40, num_attention_heads=4, num_hidden_layers=2, vocab_size=61
    )
    model = transformers.BertModel(config).eval()
    adapters.init(model)
    return model


def test_what_init_takes_out_is_put_back() -> None:
    """The modules' place is read off the model, so this is about any model that has such."""
    torch.manual_seed(0)
    model = transformers.XmodModel(transformers.XmodConfig(**XMOD)).eval()
    moved(model)
    ids = torch.arange(4, 11)[None]
    with torch.no_grad():
        wanted = model(ids).last_hidden_state
    code = "import adapters.composition as ac\n" + restored.code("gelu")
    space = pasted(code + restored.put_below("model.active_adapters = ac.Stack()\n"), model=model)
    with torch.no_grad():
        given = model(ids).last_hidden_state
        model.set_active_adapters(None)
        without = model(ids).last_hidden_state
    assert torch.allclose(given, wanted, atol=1e-5)
    assert not torch.allclose(without, wanted, atol=1e-2)
    assert str(space["below"](adapters.composition.Stack("a"))) == "Stack[original, a]"


@pytest.mark.skipif(Version(version("adapters")) < Version("1.0"), reason="the block is of 1.0")
def test_average_with_larger_weights_is_the_average() -> None:
    model = small_bert()
    for name in ("a", "b"):
        model.add_adapter(name, config="seq_bn")
    moved(model)
    ids = torch.arange(4, 11)[None]
    pasted(option("average(a,b;1,0)", TIMES).code(), model=model)
    with torch.no_grad():
        given = model(ids).last_hidden_state
        model.set_active_adapters("a")
        assert torch.allclose(given, model(ids).last_hidden_state, atol=1e-5)


def test_one_after_the_other_gives_every_row_its_adapter() -> None:
    model = small_bert()
    for name in ("a", "b"):
        model.add_adapter(name, config="lora")
    moved(model)
    batch = {"input_ids": torch.arange(4, 25).view(3, 7)}
    one_by_one = option("batchsplit(a,b;2,1)", "run the adapters one after the other", batch=3)
    with torch.no_grad():
        outputs = pasted(one_by_one.code(), model=model, batch=batch)["outputs"]
        model.active_adapters = adapters.composition.BatchSplit("a", "b", batch_sizes=[2, 1])
        wanted = model(**batch).last_hidden_state
    assert torch.allclose(torch.cat([o.last_hidden_state for o in outputs]), wanted, atol=1e-5)


def test_order_of_the_steps_is_that_of_a_program() -> None:
    titles = "attention implementation eager and generate without a cache"
    spec = AuditSpec.read({"model": "m", "compose": "parallel(a,b)", "adapter": "ia3", "mode": "generate"})
    both = next(
        o for o in options(unresolved(spec)) if titles in o.title and "needs training anew" in o.title
    )
    lines = both.code().splitlines()
    texts = ("from_pretrained", "add_adapter")
    places = [next(n for n, line in enumerate(lines) if text in line) for text in texts]
    assert places == sorted(places)
    assert "model.generation_config.use_cache = False" in both.code()


def test_model_that_init_changes_gets_a_base_first() -> None:
    spec = AuditSpec.read({"model": "tiny", "compose": "stack(a,b)", "adapter": "seq_bn"})
    finding = Finding(
        rule="AA204",
        name="n",
        invariant="init parity",
        severity=Severity.ERROR,
        confidence=Confidence.CONFIRMED,
        message="adapters.init alone changes it",
        primary=Location(),
        verdict=Verdict.WRONG,
    )
    source = ModelSource("tiny", "directory", config={"model_type": "xmod", **XMOD})
    fix = set_up_fix(Job.of(spec, source), [finding])
    assert fix is not None
    assert fix.status == "verified"
    assert "below all others" in fix.title
    assert "below(ac.Stack('a', 'b'))" in fix.code
