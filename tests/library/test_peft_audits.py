"""Audits of peft: what is right is compatible, what is wrong is found at its line, in every release."""

from __future__ import annotations

import json

import pytest
from peft_releases import FOLDERS, audited, command, python

BERT = "adapter_audit.auditor.toys:bert"
T5 = "adapter_audit.auditor.toys:t5"
OFT = "oft[r=0,oft_block_size=8]"
NEWEST = max(FOLDERS, default="")
OLDEST = min(FOLDERS, default="")


def peft(model: str, compose: str, adapter: str = "lora", **fields: object) -> dict[str, object]:
    return {"model": model, "library": "peft", "compose": compose, "adapter": adapter, **fields}


SOUND = [
    peft(BERT, "a"),
    peft(BERT, "active(a,b)", history=["merge", "unmerge"]),
    peft(BERT, "mixed(a,b,__base__)", mask="right"),
    peft(T5, "mixed(a,b,__base__;2,1,1)", mode="generate"),
    peft(BERT, "active(a,b)", mode="train"),
    peft(BERT, "weighted(a,b;0.7,0.3;linear)"),
    peft(BERT, "mixed(weighted(a,b;1,0;cat),b)"),
    peft(BERT, "a", "ia3", history=["disable", "enable"]),
    peft(BERT, "a", adapters={"b": "lora"}, history=["set(b)", "save_load"]),
    peft(BERT, "a", adapters={"b": "lora"}, history=["delete(nope)"]),
]


@pytest.mark.parametrize("release", FOLDERS)
def test_what_is_right_is_compatible(release: str) -> None:
    for result in audited(release, SOUND):
        assert (result.verdict, result.error) == ("compatible", None), (result.spec, result.summary)
        assert result.unknowns == ()
        assert result.environment.peft == release
        assert not result.environment.adapters or result.environment.transformers


@pytest.mark.parametrize("release", FOLDERS)
def test_each_tuner_that_drops_the_names_is_found_at_that_line(release: str) -> None:
    tuners = ("ia3[feedforward_modules=[]", "loha[r=4", "vera[r=8", "hra[r=4", "boft[boft_block_size=4")
    adapters = [f"{tuner},target_modules=[query,value]]" for tuner in tuners]
    for result in audited(release, [peft(BERT, "mixed(a,b)", adapter) for adapter in adapters]):
        finding = result.findings[0]
        assert (result.verdict, finding.rule) == ("wrong", "AA220"), (result.spec, result.summary)
        assert "special_peft_forward_args" in finding.primary.code
        assert [fix.status for fix in finding.fixes] == ["verified"]


@pytest.mark.parametrize("release", FOLDERS)
def test_a_combination_is_blamed_on_what_makes_it(release: str) -> None:
    specs = [
        peft(BERT, "weighted(a,b;1,0;linear)", "lora[use_rslora=True]"),
        peft(BERT, "weighted(a,b;0.7,0.3;cat)", "lora[use_rslora=True]"),
        peft(BERT, "weighted(a,b;1,0;cat)", "lora[use_dora=True]"),
    ]
    for result in audited(release, specs):
        finding = next(f for f in result.findings if f.rule == "AA205")
        assert result.verdict == "wrong"
        assert finding.primary.file == "peft/tuners/lora/model.py"
        assert finding.primary.code.startswith("def add_weighted_adapter")


def test_beams_of_a_mixed_batch_are_refused_where_names_are_not_repeated() -> None:
    spec = peft(T5, "mixed(a,b)", mode="beam")
    assert [audited(release, [spec])[0].verdict for release in (OLDEST, NEWEST)] == ["refused", "compatible"]


def test_an_error_in_a_mixed_call_leaves_its_hooks() -> None:
    spoiled, plain = audited(
        NEWEST,
        [
            peft(BERT, "a", adapters={"a": "lora", "b": "lora"}, history=["error(mixed(a,b,__base__))"]),
            peft(BERT, "a", history=["error"]),
        ],
    )
    assert spoiled.verdict == "wrong"
    assert "after step 1, error(mixed(a,b,__base__))" in spoiled.findings[0].message
    assert spoiled.findings[0].primary.file == "peft/tuners/lora/model.py"
    assert spoiled.findings[0].primary.code.startswith(("def _enable_peft_forward_hooks", "@contextmanager"))
    assert plain.verdict == "compatible"


def test_heads_in_histories() -> None:
    head = {"head": "SequenceClassification"}
    model = "bert-base-uncased"
    kept, merged, sound = audited(
        NEWEST,
        [
            peft(model, "a", history=["unload"], **head),
            peft(model, "a", adapters={"b": "lora"}, history=["merge_and_unload(b)"], **head),
            peft(model, "a", history=["merge_and_unload"], **head),
        ],
    )
    for result in (kept, merged):
        assert result.verdict == "wrong"
        assert result.findings[0].primary.code.startswith("def unload_and_optionally_merge_module")
    assert sound.verdict == "compatible"


def test_a_search_for_fixes_keeps_the_one_that_is_known() -> None:
    options = ("--library", "peft", "--compose", "mixed(a,b)", "--adapter", "ia3", "--fix")
    done = command(NEWEST, BERT, *options, "--no-cache")
    assert done.returncode == 1, done.stderr
    assert "setup-change, verified: run the adapters one after the other" in done.stderr


def test_steps_that_name_nobody() -> None:
    (result,) = audited(NEWEST, [peft(BERT, "a", history=["merge(nope)"])])
    assert result.verdict == "wrong"
    assert "goes through, though no adapter is called nope" in result.summary


def test_what_the_library_refuses_and_what_cannot_be_traced() -> None:
    refused, untraced = audited(
        NEWEST,
        [peft(BERT, "mixed(a,b)", "lora[use_dora=True]"), peft(BERT, "a", "shira[r=2,random_seed=7]")],
    )
    assert refused.verdict == "refused"
    assert untraced.verdict == "compatible"
    assert "shapes could not be traced" in untraced.summary
    assert untraced.coverage.ops == 0


def test_shapes_alone_do_not_decide_what_cannot_be_traced() -> None:
    options = ("--library", "peft", "--compose", "a", "--adapter", "shira[r=2,random_seed=7]")
    done = command(NEWEST, BERT, *options, "--static-only", "--report", "json", "--no-cache")
    result = json.loads(done.stdout)
    assert result["verdict"] == "unknown"
    assert "the set-up needs values" in result["unknowns"][0]


IN_HAND = """
import json, torch, peft
from adapter_audit.auditor import audit_model, toys
model = peft.get_peft_model(toys.bert(), peft.%s(), adapter_name="fr")
model.add_adapter("de", peft.%s())
ids = torch.arange(3, 24).reshape(3, 7)
told = audit_model(model, {"input_ids": ids, "adapter_names": ["fr", "fr", "__base__"]})
active = audit_model(model)
print(json.dumps([(r.verdict.value, r.spec["compose"]) for r in (active, told)]))
"""


@pytest.mark.parametrize(("config", "verdict"), [("LoraConfig", "compatible"), ("IA3Config", "wrong")])
def test_a_model_in_hand(config: str, verdict: str) -> None:
    for release in (NEWEST, OLDEST):
        found = json.loads(python(release, IN_HAND % (config, config)).splitlines()[-1])
        assert found == [["compatible", "active(fr)"], [verdict, "mixed(fr,__base__;2,1)"]]


OWN = """
import peft
from adapter_audit.auditor import audit_model, toys
model = toys.bert()
model.add_adapter(peft.LoraConfig(), "fr")
print(audit_model(model).verdict.value)
"""


def test_a_model_of_transformers_with_an_adapter() -> None:
    assert python(OLDEST, OWN).split()[-1] == "compatible"


def test_a_saved_adapter_is_a_configuration(tmp_path: object) -> None:
    code = f"""
import peft
from adapter_audit.auditor import audit, toys
model = peft.get_peft_model(toys.bert(), peft.LoraConfig(r=4), adapter_name="fr")
model.save_pretrained({str(tmp_path)!r})
spec = {{"model": {BERT!r}, "library": "peft", "compose": "mixed(a,b)", "adapter": {str(tmp_path)!r} + "/fr"}}
print(audit(spec).verdict.value)
"""
    assert python(NEWEST, code).split()[-1] == "compatible"
