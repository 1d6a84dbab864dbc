"""Known patches: each fits the releases that it names, does what it says, is proposed where it may help."""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from peft_releases import FOLDERS, MISSING

from adapter_audit.auditor.fixes.patch import family
from adapter_audit.auditor.fixes.patch.family import SourceEdit, families
from adapter_audit.auditor.fixes.patch.known.fitted_diff import FileDiff
from adapter_audit.auditor.fixes.patch.known.known_patch_family import KnownPatchFamily
from adapter_audit.auditor.fixes.patch.known.mixed_kinds import FAMILY as MIXED
from adapter_audit.auditor.knowledge.known_patches import KnownPatch, known_patches
from adapter_audit.auditor.library.find_library import library_named
from adapter_audit.auditor.schema.composition import KINDS
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.result import Confidence, Finding, Location, Severity, Verdict
from adapter_audit.auditor.source.parsed_module import Edit, Sources, apply_edits, installed_text
from adapter_audit.auditor.trace.records import Failure, Site
from adapter_audit.rules._support.registry import all_rules

from .conftest import Fixed

INSTALLED = version("adapters")
RELEASES = Path(sys.prefix) / "releases"
LORA, BOTTLENECK, PREFIX = (f"adapters/methods/{n}.py" for n in ("lora", "bottleneck", "prefix_tuning"))
PATCHES = {patch.name: patch for patch in known_patches()}
DIFFS = [(patch, name) for patch in PATCHES.values() for name in patch.diffs]


def available(package: str) -> dict[str, Path]:
    """Releases of a library on this machine, and the folder that the package lies in."""
    import adapters

    if package != "adapters":
        assert FOLDERS, MISSING
        return FOLDERS
    older = {p.name: p for p in RELEASES.glob("*") if (p / "adapters").is_dir()}
    return {**older, INSTALLED: Path(str(adapters.__file__)).parents[1]}


def diff_text(patch: KnownPatch, name: str) -> str:
    folder = files("adapter_audit.auditor.knowledge") / "known_diffs" / patch.name
    return (folder / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("patch", "name"), DIFFS, ids=lambda value: getattr(value, "name", value))
def test_a_diff_fits_every_release_that_it_names(patch: KnownPatch, name: str) -> None:
    diff = FileDiff.parse(diff_text(patch, name))
    for release, folder in available(patch.package).items():
        text = (folder / diff.file).read_text() if (folder / diff.file).is_file() else ""
        edits = diff.edits(text)
        named = SpecifierSet(patch.diffs[name]).contains(release)
        assert edits is not None or not named, f"it does not fit {release}"
        if edits is not None:
            patched = apply_edits(text, edits)
            compile(patched, diff.file, "exec")
            assert diff.edits(patched) is None, "what is patched is not patched again"


def test_every_diff_is_listed_and_every_listed_one_is_there() -> None:
    folder = Path(str(files("adapter_audit.auditor.knowledge"))) / "known_diffs"
    there = {(p.parent.name, p.name) for p in folder.rglob("*") if p.is_file()}
    assert there == {(patch.name, name) for patch, name in DIFFS}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_the_data_names_what_exists(patch: KnownPatch) -> None:
    invariants = {rule.invariant for rule in all_rules() if hasattr(rule, "invariant")}
    assert set(patch.departs) <= invariants
    assert set(patch.blocks) <= set(KINDS)
    assert patch.departs or patch.stops, "it is about nothing"
    assert patch.reference
    assert patch.title
    assert patch.name in {known.name for known in families()}


def test_one_file_has_one_diff_a_release() -> None:
    for patch in PATCHES.values():
        for release in ("0.2.0", "0.2.1", "0.2.2", "1.0.0", "1.0.1", "1.1.0", "1.1.1", "1.2.0", "1.3.0"):
            changed = [FileDiff.parse(text).file for text in patch.texts(release)]
            assert len(changed) == len(set(changed)), f"{patch.name}, {release}"
        assert patch.texts("99.0") == (), "nothing is known about releases to come"


TEXT = "def f(x):\n    y = x\n    return y\n\ndef g(x):\n    y = x\n    return -y\n"
DIFF = """\
--- a/adapters/toy.py
+++ b/adapters/toy.py
@@ -5,3 +5,4 @@
 def g(x):
-    y = x
+    y = 2 * x
+    y += 1
     return -y
"""


def test_a_diff_fits_where_its_lines_stand_once() -> None:
    diff = FileDiff.parse(DIFF)
    moved = "import torch\n" + TEXT
    for text in (TEXT, moved):
        edits = diff.edits(text)
        assert edits is not None
        space: dict[str, Any] = {}
        exec(apply_edits(text, edits).replace("import torch\n", ""), space)
        assert (space["f"](3), space["g"](3)) == (3, -7)
    assert diff.edits(TEXT.replace("-y", "y")) is None, "another line"
    assert diff.edits(TEXT + TEXT) is None, "it could be either one"
    assert FileDiff.parse(DIFF.replace("+    y += 1\n", "")).edits(TEXT) == (Edit(6, 8, 6, 8, "2 * "),)
    with pytest.raises(ValueError, match="one file"):
        FileDiff.parse(DIFF + DIFF)


def finding(
    file: str = LORA, line: int = 1, invariant: str = "lanes", verdict: Verdict = Verdict.CRASH
) -> Finding:
    return Finding(
        rule="AA000",
        name="n",
        invariant=invariant,
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        message="",
        primary=Location(file=file, line=line),
        verdict=verdict,
    )


def facts(compose: str, *, ran: tuple[str, ...] = (), stack: tuple[Site, ...] = (), **methods: str) -> Any:
    failure = Failure(kind="E", message="", site=stack[0], module="", frames=stack) if stack else None
    records = [SimpleNamespace(site=Site(file, 1, "f")) for file in ran]
    return SimpleNamespace(
        tree=parse(compose),
        names=tuple(methods),
        methods=methods,
        library=library_named(None),
        static=SimpleNamespace(trace=SimpleNamespace(records=records, failures=[])),
        probe=None,
        setup_failure=failure,
    )


def proposed(name: str, known: Any, found: Finding) -> list[SourceEdit]:
    return list(KnownPatchFamily(PATCHES[name]).propose(known, found, Sources()))


def changed_line(name: str, file: str) -> int:
    """A line of the function that a patch changes, as installed."""
    diffs = (FileDiff.parse(text) for text in PATCHES[name].texts(INSTALLED))
    edits = next(d.edits(installed_text(file) or "") for d in diffs if d.file == file)
    assert edits
    return edits[-1].line


def test_a_patch_is_proposed_where_the_failure_passes_through_its_code() -> None:
    line = changed_line("add-up-stacked-widths", LORA)
    inside, outside = Site(LORA, line, "f"), Site(LORA, 1, "g")
    for stack, expected in (((inside, outside), 1), ((outside,), 0)):
        known = facts("stack(a,b)", stack=stack, a="lora", b="lora")
        assert len(proposed("add-up-stacked-widths", known, finding(line=stack[0].line))) == expected
    for known in (
        facts("parallel(a,b)", stack=(inside,), a="lora", b="lora"),
        facts("stack(a)", stack=(inside,), a="lora"),
        facts("stack(a,b)", stack=(inside,), a="seq_bn", b="seq_bn"),
    ):
        assert proposed("add-up-stacked-widths", known, finding(line=line)) == []
    known = facts("stack(a,b)", stack=(inside,), a="lora", b="lora")
    assert proposed("add-up-stacked-widths", known, finding(line=line, verdict=Verdict.WRONG)) == []


def test_a_patch_of_another_release_is_not_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapter_audit.auditor.fixes.patch.known import known_patch_family

    known = facts("average(a,b)", ran=(LORA,), a="lora", b="lora")
    found = finding(invariant="neutrality", verdict=Verdict.WRONG)
    (edit,) = proposed("weighted-sum", known, found)
    assert edit.reference.startswith("docs/findings/01_")
    monkeypatch.setattr(known_patch_family, "release_of", lambda package: "99.0")
    assert proposed("weighted-sum", known, found) == []


def files_of(edits: list[SourceEdit]) -> list[set[str]]:
    return [{part.file for part in edit.parts()} for edit in edits]


def test_only_files_that_ran_are_repaired_where_values_depart() -> None:
    found = finding(file="transformers/x.py", invariant="neutrality", verdict=Verdict.WRONG)
    both = facts("average(a,b)", ran=(LORA, BOTTLENECK), a="lora", b="seq_bn")
    assert files_of(proposed("weighted-sum", both, found)) == [{BOTTLENECK}, {LORA}]
    one = facts("average(a,b)", ran=(LORA,), a="lora", b="seq_bn")
    assert files_of(proposed("weighted-sum", one, found)) == [{LORA}]
    other = facts("average(a,b)", ran=(LORA, BOTTLENECK), a="lora", b="lora")
    assert files_of(proposed("weighted-sum", other, found)) == [{LORA}]


def test_children_are_run_one_by_one_where_one_is_absent_only_if_one_may_be() -> None:
    absent = "each-child-by-itself-where-one-is-absent"
    line = changed_line(absent, LORA)
    stack = (Site(LORA, line, "f"),)
    found = finding(line=line)
    for methods, expected in (
        ({"a": "dora", "b": "dora"}, 0),
        ({"a": "dora", "b": "dora[leave_out=[1]]"}, 1),
        ({"a": "dora", "b": "par_bn"}, 1),
        ({"a": "noreft", "b": "par_bn"}, 0),
    ):
        assert len(proposed(absent, facts("parallel(a,b)", stack=stack, **methods), found)) == expected
    known = facts("average(a,b)", ran=(LORA,), a="dora", b="par_bn")
    weights = finding(invariant="neutrality", verdict=Verdict.WRONG)
    assert proposed(absent, known, weights) == []
    assert len(proposed("each-child-by-itself", known, weights)) == 1


def test_code_that_does_not_run_is_a_guess() -> None:
    found = finding(file="transformers/x.py", invariant="effect", verdict=Verdict.NO_EFFECT)
    file = "adapters/methods/prompt_tuning.py"
    for ran in ((), (file,)):
        known = facts("parallel(a,b)", ran=ran, a="lora", b="prompt_tuning")
        edits = proposed("every-adapter-its-rows", known, found)
        assert [edit.likely for edit in edits if edit.file == file] == [bool(ran)]


def mixed(compose: str, found: Finding, **methods: str) -> list[set[str]]:
    return files_of(list(MIXED.propose(facts(compose, **methods), found, Sources())))


def test_all_files_that_not_all_children_are_about_are_repaired_at_once() -> None:
    assert mixed("parallel(a,b)", finding(), a="lora", b="prefix_tuning|par_bn") == [
        {LORA, BOTTLENECK, PREFIX}
    ]
    assert mixed("parallel(a,b)", finding(), a="lora", b="lora[r=2]") == []
    assert mixed("stack(a,b)", finding(), a="lora", b="par_bn") == []
    assert mixed("parallel(a,b)", finding(invariant="purity"), a="lora", b="par_bn") == []


def test_other_kinds_of_one_method_are_told_apart_where_it_shows() -> None:
    assert mixed("parallel(a,b)", finding(), a="ia3", b="unipelt") == [{LORA, BOTTLENECK, PREFIX}]
    assert mixed("parallel(a,b)", finding(BOTTLENECK), a="ia3", b="unipelt") == [{BOTTLENECK, PREFIX}]
    averaged = facts("average(a,b)", a="lora", b="par_bn")
    (edit,) = MIXED.propose(averaged, finding(), Sources())
    assert {part.title for part in edit.parts()} == {"run each child by itself"}
    (edit,) = MIXED.propose(facts("parallel(a,b)", a="lora", b="par_bn"), finding(), Sources())
    assert {part.title for part in edit.parts()} == {"run each child by itself where one has no modules"}


# What they do, on small inputs; the whole proof of each is below.


def patched_module(name: str, file: str) -> dict[str, Any]:
    """The names of an installed file with a patch."""
    text = installed_text(file) or ""
    edits = next(d.edits(text) for d in map(FileDiff.parse, PATCHES[name].texts(INSTALLED)) if d.file == file)
    assert edits
    package = file.rpartition("/")[0].replace("/", ".")
    space: dict[str, Any] = {"__name__": f"{package}.patched", "__package__": package}
    exec(compile(apply_edits(text, edits), file, "exec"), space)
    return space


@pytest.mark.skipif(Version(INSTALLED) < Version("1.0"), reason="the layer is of 1.0")
def test_every_adapter_is_applied_to_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from adapters import composition
    from adapters.composition import Average, BatchSplit, Parallel, Stack
    from adapters.context import ForwardContext

    layer = patched_module("every-adapter-its-rows", "adapters/methods/reft.py")["ReftLayer"]

    def rows(setup: Any) -> list[float]:
        parts = {"a": lambda x: x + 10, "b": lambda x: x * 2}
        own = SimpleNamespace(get_active_setup=lambda: setup, refts=parts)
        return list(layer.forward(own, torch.arange(1.0, 4.0).view(3, 1, 1)).flatten().tolist())

    class Context:
        adapters_parallelized = False
        task_ids = torch.tensor([1, 0, 1])

    context = Context()
    monkeypatch.setattr(ForwardContext, "get_context", classmethod(lambda cls: context))
    assert rows(Parallel("a", "b")) == [11, 12, 13, 2, 4, 6]
    assert context.adapters_parallelized
    assert rows(BatchSplit("a", "b", batch_sizes=[1, 2])) == [11, 4, 6]
    assert rows(Stack("a", "b")) == [22, 24, 26]
    assert rows(Average("a", "b", weights=[0.5, 0.5])) == [6.5, 8, 9.5]
    if hasattr(composition, "MultiTask"):
        assert rows(composition.MultiTask("a", "b")) == [2, 12, 6]
    assert rows(Stack("c")) == [1, 2, 3]


@pytest.mark.parametrize("absent", [0, 1])
def test_absent_states_are_neutral(absent: int) -> None:
    import torch

    for name, neutral in (("absent-state-is-zero", 0.0), ("absent-state-is-one", 1.0)):
        space = patched_module(name, LORA)
        layer = next(c for n, c in space.items() if n.startswith("LoRA") and hasattr(c, "pad_and_concat"))
        full = space["LoRAState"](*[torch.full((1, 1, 2), 7.0)] * 3, "a")
        states = [full, full]
        states[absent] = full._replace(hidden_states=None, last=None)
        joined = layer.pad_and_concat(None, states)
        assert joined.hidden_states[:, 0, 0].tolist() == [
            neutral if row == absent else 7.0 for row in range(2)
        ]
        assert joined.last == "a"
        nobody = layer.pad_and_concat(None, [full._replace(hidden_states=None, last=None)])
        assert (nobody.hidden_states, nobody.last) == (None, None)


def padded(*given: tuple[int, Any, bool]) -> list[Any]:
    """Masks after padding states, which are given as length, mask and whether it is inverted."""
    import torch

    space = patched_module("mask-what-is-padded", PREFIX)
    layer = space["PrefixTuningLayer"]
    states = []
    for length, mask, inverted in given:
        keys = torch.ones(1, 1, length, 2)
        states.append(space["PrefixTuningState"](keys, keys, torch.ones(1, 1, 2), mask, inverted))
    own = SimpleNamespace(model_config=SimpleNamespace(pad_token_id=0))
    joined = layer.pad_and_concat(own, states).attention_mask
    return [None] * len(states) if joined is None else list(joined.flatten(1))


def test_padded_positions_have_no_weight() -> None:
    import torch

    for mask in (None, torch.zeros(1, 1, 1, 2)):
        masks = padded((4, None, True), (2, mask, True))
        assert [m.softmax(-1).tolist() for m in masks] == [[0.25] * 4, [0, 0, 0.5, 0.5]]
    (_, seen) = padded((4, None, False), (2, None, False))
    assert seen.tolist() == [0, 0, 1, 1]
    assert padded((2, None, True), (2, None, True)) == [None, None]


def test_widths_that_do_not_fit_are_added_up() -> None:
    import torch

    lora = patched_module("add-up-stacked-widths", LORA)["LoRA"]
    part = SimpleNamespace(lora_A=torch.ones(1, 4), lora_B=torch.ones(3, 1), lora_dropout=lambda x: x)
    part.use_gating, part.scaling = False, 1.0
    part.forward = lambda **given: lora.forward(part, **given)
    given = torch.ones(2, 4)
    first, _ = part.forward(hidden_states=None, layer_input=given)
    assert first.tolist() == [[4.0] * 3] * 2
    assert part.forward(hidden_states=first, layer_input=given)[0].tolist() == [[8.0] * 3] * 2
    part.lora_B = torch.ones(4, 1)
    same = part.forward(hidden_states=torch.ones(2, 4), layer_input=given)[0]
    assert same.tolist() == [[4.0] * 4] * 2, "what fits is left as it is"


TOY = "adapter_audit.auditor.toys:bert"
HALF = "[leave_out=[0]]"
VERIFIED: list[tuple[str, dict[str, Any]]] = [
    ("weighted-sum", {"compose": "average(a,b)", "adapter": "seq_bn"}),
    ("each-child-by-itself", {"compose": "parallel(a,b)", "adapter": "dora"}),
    ("every-adapter-its-rows", {"compose": "parallel(a,b)", "adapter": "loreft"}),
    ("absent-state-is-zero", {"compose": "parallel(a,b)", "adapters": {"a": "lora", "b": f"lora{HALF}"}}),
    ("absent-state-is-one", {"compose": "parallel(a,b)", "adapters": {"a": "ia3", "b": f"ia3{HALF}"}}),
    (
        "each-child-by-itself-where-one-is-absent",
        {"compose": "batchsplit(a,b;2,1)", "adapters": {"a": "seq_bn", "b": "lora"}, "attn": "eager"},
    ),
    (
        "mask-what-is-padded",
        {
            "compose": "parallel(a,b)",
            "adapters": {"a": "prefix_tuning", "b": "prefix_tuning[prefix_length=5]"},
        },
    ),
    ("add-up-stacked-widths", {"compose": "stack(a,b)", "adapter": "lora[output_lora=True]"}),
    (
        "booleans-say-what-is-seen",
        {"model": "gpt2", "compose": "stack(a)", "adapter": "prefix_tuning", "mask": "right"},
    ),
    ("copy-absence-too", {"model": "microsoft/deberta-base", "compose": "stack(a)", "adapter": "lora"}),
]


def test_every_known_patch_has_a_case() -> None:
    assert [name for name, _ in VERIFIED if name not in PATCHES] == []
    own = {patch.name for patch in PATCHES.values() if patch.package == "adapters"}
    assert {name for name, _ in VERIFIED} == own, "those of peft are in test_peft_patches.py"


@pytest.mark.skipif(INSTALLED != "1.3.0", reason="what each release does wrong differs")
@pytest.mark.parametrize(("name", "spec"), VERIFIED, ids=[name for name, _ in VERIFIED])
def test_a_known_patch_is_tried_and_verified(
    fixed: Fixed, monkeypatch: pytest.MonkeyPatch, name: str, spec: dict[str, Any]
) -> None:
    if name == "absent-state-is-one":  # others, of the same rank, repair the case as well
        only = (KnownPatchFamily(PATCHES[name]),)
        monkeypatch.setattr(family, "families", lambda: only)
    result = fixed(**{"model": TOY, **spec})
    fixes = [f for found in result.findings for f in found.fixes if f.kind == "library-patch"]
    assert fixes
    assert fixes[0].status == "verified", fixes[0].reason
    assert fixes[0].origin == "known"
    assert PATCHES[name].reference in fixes[0].reference
    assert PATCHES[name].title in fixes[0].title
