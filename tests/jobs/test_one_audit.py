"""Whole audits of toy models: verdicts, what is skipped, what cannot be built, and children that die."""

from __future__ import annotations

import multiprocessing
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

from adapter_audit.auditor import AuditResult, audit
from adapter_audit.auditor.assess.conclude import overall_verdict, run_rules, summarise
from adapter_audit.auditor.errors import AuditError, BuildError, LibraryRefusal, UsageError
from adapter_audit.auditor.facts.facts import Axes, Facts
from adapter_audit.auditor.library import installed
from adapter_audit.auditor.library.find_library import library_named
from adapter_audit.auditor.probe import child_process as process
from adapter_audit.auditor.schema.audit_options import AuditOptions
from adapter_audit.auditor.schema.result import Confidence, Finding, Location, Severity, Verdict, fingerprint

BERT = "adapter_audit.auditor.toys:bert"
BROKEN = "adapter_audit.auditor.toys.broken"


def audited(model: str = BERT, compose: str = "parallel:2", **fields: Any) -> AuditResult:
    options = {k: fields.pop(k) for k in list(fields) if k in AuditOptions.__dataclass_fields__}
    return audit({"model": model, "compose": compose} | fields, **options)


@pytest.mark.parametrize(
    ("model", "compose", "adapter", "verdict"),
    [
        (BERT, "parallel:2", "lora", Verdict.COMPATIBLE),
        (BERT, "a", "lora", Verdict.COMPATIBLE),
        (BERT, "stack(a,parallel(b,c))", "seq_bn", Verdict.COMPATIBLE),
        (BERT, "batchsplit(a,b;2,1)", "seq_bn", Verdict.COMPATIBLE),
        (BERT, "stack(a,b)", "prompt_tuning", Verdict.NO_EFFECT),
        (f"{BROKEN}:shifts_states", "parallel:2", "lora", Verdict.WRONG),
        (f"{BROKEN}:two_defects", "parallel:2", "lora", Verdict.CRASH),
        (f"{BROKEN}:kills_the_process", "parallel:2", "lora", Verdict.ABORT),
        (BERT, "parallel(fuse(a,b),c)", "seq_bn", Verdict.REFUSED),
    ],
)
def test_verdicts(model: str, compose: str, adapter: str, verdict: Verdict) -> None:
    result = audited(model, compose, adapter=adapter)
    assert result.verdict is verdict, result.summary
    assert bool(result.findings) is (verdict is not Verdict.COMPATIBLE)
    assert AuditResult.model_validate_json(result.model_dump_json()) == result


def test_an_audit_gives_the_same_result_twice() -> None:
    one, two = (audited(f"{BROKEN}:two_defects").model_dump(exclude={"seconds"}) for _ in range(2))
    assert one == two


def test_shapes_only() -> None:
    result = audited(static_only=True)
    assert result.verdict is Verdict.COMPATIBLE
    assert {s.rule for s in result.skipped} >= {"AA201", "AA203", "AA204"}
    assert all("--static-only" in s.reason for s in result.skipped)
    assert "values were not" in result.summary
    assert audited(f"{BROKEN}:shifts_states", static_only=True).verdict is Verdict.COMPATIBLE


def test_a_refused_set_up_says_what_did_not_run() -> None:
    result = audited(compose="parallel(fuse(a,b),c)", adapter="seq_bn")
    assert {f.rule for f in result.findings} == {"AA001"}
    assert all("set-up" in s.reason for s in result.skipped)
    assert result.coverage.ops == 0


def test_selected_and_ignored_rules_are_counted_not_dropped() -> None:
    model = f"{BROKEN}:two_defects"
    for options in ({"ignore": frozenset({"AA101"})}, {"select": frozenset({"AA104"})}):
        result = audited(model, **options)
        hidden = [f for f in result.findings if f.rule == "AA101"]
        assert [f.status for f in hidden] == ["ignored", "ignored"]
        assert all(f.status_reason for f in hidden)
        assert result.verdict is Verdict.COMPATIBLE
    named = audited(model, ignore=frozenset({"expanded-meets-shared"}))
    assert all(f.status == "ignored" for f in named.findings)


def test_the_graph_is_attached_on_request() -> None:
    assert audited().graph is None
    graph = audited(graph=True).graph
    assert graph is not None
    assert len(graph.nodes) == audited().coverage.ops


def test_findings_point_into_the_graph() -> None:
    result = audited(f"{BROKEN}:two_defects", graph=True)
    assert result.graph is not None
    assert all(finding.primary.node is not None for finding in result.findings)
    places = [place for finding in result.findings for place in (finding.primary, *finding.related)]
    for place in places:
        if place.node is not None:
            node = result.graph.nodes[place.node]
            assert (node.op, node.module, node.line) == (place.op, place.module, place.line)


def test_what_is_active_where() -> None:
    result = audited(
        adapters={"a": "seq_bn", "b": "seq_bn[leave_out=[0]]"}, compose="parallel(a,b)", static_only=True
    )
    by_layer = {row.layer: row.adapters for row in result.activity if row.adapters}
    assert by_layer[1] == ("a", "b")
    assert by_layer[0] == ("a",)


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"model": "toy_factories:raises"}, BuildError, "RuntimeError: no weights today"),
        ({"model": "toy_factories:missing"}, UsageError, "has no function 'missing'"),
        ({"adapter": "lorra"}, LibraryRefusal, "did you mean"),
        ({"adapter": "lora[rank=3]"}, LibraryRefusal, "arguments of lora"),
        ({"head": "SequenceWhatever", "model": "bert-base-uncased"}, UsageError, "unknown head"),
        ({"seq_len": 600, "model": "bert-base-uncased"}, UsageError, "--seq-len 512 or less"),
        ({"inputs": ["decoder_input_ids"]}, UsageError, "does not exist for this model"),
        ({"mode": "generate", "model": "google/vit-base-patch16-224"}, UsageError, "cannot generate"),
        ({"adapters": {"z": "lora"}}, UsageError, "not in the composition"),
    ],
)
def test_wrong_requests_are_one_line(fields: dict[str, Any], kind: type[AuditError], words: str) -> None:
    with pytest.raises(AuditError) as caught:
        audited(**{"offline": True} | fields)
    assert type(caught.value) is kind
    assert words in caught.value.line
    assert "\n" not in caught.value.line


def test_a_function_that_returns_no_model_is_one_line() -> None:
    with pytest.raises(AuditError) as caught:
        audited("toy_factories:not_a_model")
    assert "\n" not in caught.value.line


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"adapters": ""}, "adapters is not installed; install the extra"),
        ({"torch": "1.13.1+cu117"}, "torch 1.13.1+cu117 is not supported: needs >=2.4"),
        ({"transformers": "5.0.0"}, "transformers 5.0.0 is not supported"),
        ({"transformers": "4.38.2"}, "transformers 4.38.2 is not supported: needs >=4.39,<5"),
        ({"adapters": "0.1.2"}, "adapters 0.1.2 is not supported: needs >=0.2,<2"),
    ],
)
def test_libraries_that_are_missing_or_out_of_range(
    monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], words: str
) -> None:
    have = {"torch": "2.13.0", "transformers": "4.57.6", "adapters": "1.3.0"} | versions
    monkeypatch.setattr(installed, "release_of", have.__getitem__)
    with pytest.raises(BuildError) as caught:
        installed.check_installed(library_named(None))
    assert words in caught.value.line


def test_a_block_that_the_release_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    import adapters.methods.bottleneck  # noqa: F401 - it imports the block by name, when it is there

    monkeypatch.delattr("adapters.composition.Average")
    with pytest.raises(LibraryRefusal, match="the installed adapters release has no Average; upgrade"):
        audited(compose="average(a,b)", adapter="seq_bn")


def test_versions_of_what_is_not_there_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    installed.release_of.cache_clear()
    assert installed.environment(library_named(None)).torch == ""
    installed.release_of.cache_clear()


def test_a_dying_child_is_told_with_its_place() -> None:
    result = audited(f"{BROKEN}:kills_the_process")
    (finding,) = (f for f in result.findings if f.rule == "AA211")
    assert "SIGABRT" in finding.message
    assert finding.primary.module.startswith("encoder.layer.1")
    assert finding.primary.line


def test_what_was_found_before_the_child_died_is_kept() -> None:
    result = audited(f"{BROKEN}:shifts_states_until_it_dies", mask="none")
    assert result.verdict is Verdict.ABORT
    wrong, dies = (f for f in result.findings if f.severity is Severity.ERROR)
    assert (wrong.rule, wrong.primary.module) == ("AA201", "encoder.layer.1")
    assert wrong.primary.code.startswith("rows = torch.arange(")
    assert (dies.rule, "SIGABRT" in dies.message) == ("AA211", True)


def test_a_child_that_leaves_is_told_with_its_code() -> None:
    result = audited("toy_factories:exits")
    assert "exit code 7" in result.summary
    assert result.verdict is Verdict.ABORT


@pytest.mark.parametrize("factory", ["sleeps", "computes_for_ever"])
def test_a_child_that_does_not_end_is_given_up(factory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TIME_LIMIT", 3.0)
    monkeypatch.setattr(process, "PATIENCE", 1 if factory == "sleeps" else 20)
    result = audited(f"toy_factories:{factory}")
    assert result.verdict is Verdict.UNKNOWN, result.summary
    assert "3 seconds" in result.summary
    assert not multiprocessing.active_children()


def test_a_setup_that_fails_leaves_no_child() -> None:
    assert audited(compose="parallel(fuse(a,b),c)").verdict is Verdict.REFUSED
    assert not multiprocessing.active_children()


def finding(verdict: Verdict, severity: Severity = Severity.ERROR, status: Any = "open") -> Finding:
    return Finding(
        rule="AA101",
        name="n",
        invariant="lanes",
        severity=severity,
        confidence=Confidence.CERTAIN,
        message="it is so",
        primary=Location(module="m"),
        verdict=verdict,
        status=status,
    )


@pytest.mark.parametrize(
    ("verdicts", "unknowns", "expected"),
    [
        ([], (), Verdict.COMPATIBLE),
        ([], ("why",), Verdict.UNKNOWN),
        ([Verdict.COMPATIBLE], ("why",), Verdict.UNKNOWN),
        ([Verdict.WRONG, Verdict.CRASH], (), Verdict.CRASH),
        ([Verdict.NO_EFFECT], ("why",), Verdict.NO_EFFECT),
    ],
)
def test_the_worst_verdict_wins(
    verdicts: list[Verdict], unknowns: tuple[str, ...], expected: Verdict
) -> None:
    findings = tuple(finding(v) for v in verdicts)
    assert overall_verdict(findings, unknowns) is expected


def test_what_is_ignored_has_no_say() -> None:
    assert overall_verdict((finding(Verdict.CRASH, status="ignored"),), ()) is Verdict.COMPATIBLE


def facts(**more: Any) -> Facts:
    from adapter_audit.auditor.request.job import requested_job
    from adapter_audit.auditor.schema.spec import AuditSpec

    return Facts(requested_job(AuditSpec(model="m", compose="parallel(a,b)")), Axes(2, 3, 7, 5), **more)


def test_one_sentence_in_plain_words() -> None:
    assert (
        summarise(Verdict.CRASH, facts(), (finding(Verdict.CRASH),), ())
        == "parallel(a,b) on 3 rows: it is so."
    )
    assert "could not be decided: why" in summarise(Verdict.UNKNOWN, facts(), (), ("why",))
    assert "nothing wrong" in summarise(Verdict.COMPATIBLE, facts(), (), ())


def test_rules_without_their_facts_are_skipped_with_a_reason() -> None:
    findings, skipped = run_rules(facts(), AuditOptions())
    assert findings == ()
    assert {s.rule for s in skipped} >= {"AA101", "AA201"}
    assert all(s.reason for s in skipped)


@pytest.mark.parametrize(
    ("shape", "twin", "wide", "text"),
    [
        ((6, 12, 7, 7), (3, 12, 7, 7), (6, 12, 7, 7), "[N*B, 12, S, S]"),
        ((3, 14, 8), (3, 7, 8), (6, 7, 8), "[B, N*S, 8]"),
        ((24, 7), (12, 7), (24, 7), "[N*B*4, S]"),
        ((12, 5), (12, 5), (24, 5), "[N*B*2, T]"),
        ((3, 7), None, None, "[B, S]"),
        ((), None, None, "[]"),
        ((4, 10), None, None, "[4, N*T]"),
    ],
)
def test_shapes_in_terms_of_axes(shape: Any, twin: Any, wide: Any, text: str) -> None:
    assert Axes(2, 3, 7, 5).describe(shape, twin, wide) == text


def test_fingerprints_are_structural() -> None:
    one = fingerprint("AA101", "encoder.block.1.layer.0", "aten.add", "batch")
    assert one == fingerprint("AA101", "encoder.block.11.layer.0", "aten.add", "batch")
    others = [
        fingerprint("AA102", "encoder.block.1.layer.0", "aten.add", "batch"),
        fingerprint("AA101", "decoder.block.1.layer.0", "aten.add", "batch"),
        fingerprint("AA101", "encoder.block.1.layer.0", "aten.mul", "batch"),
        fingerprint("AA101", "encoder.block.1.layer.0", "aten.add", "lanes"),
    ]
    assert len({one, *others}) == 5
