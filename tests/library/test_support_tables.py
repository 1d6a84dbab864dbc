"""What the library says of blocks is read from its source as it is in its classes."""

from __future__ import annotations

import pytest
from adapters import composition
from adapters.methods.bottleneck import BottleneckLayer
from adapters.methods.lora import LoRALinear
from adapters.methods.prefix_tuning import PrefixTuningLayer

from adapter_audit.auditor.library import support_tables as support
from adapter_audit.auditor.library.adapters_library import AdaptersBackend
from adapter_audit.auditor.schema.composition import KINDS


@pytest.mark.parametrize(
    ("method", "layer"),
    [("lora", LoRALinear), ("seq_bn", BottleneckLayer), ("prefix_tuning", PrefixTuningLayer)],
)
def test_blocks_are_those_of_the_layers(method: str, layer: type) -> None:
    names = {block.__name__.lower() for block in layer.supported_compositions}  # type: ignore[attr-defined]
    assert support.blocks_of(method) == names
    assert method in support.methods_with(frozenset(names))


def test_unions_support_what_all_their_parts_do() -> None:
    assert support.blocks_of("lora[r=2]|seq_bn") == {"stack", "parallel", "batchsplit", "average"}
    assert support.blocks_of("mam") == support.blocks_of("prefix_tuning")
    assert support.blocks_of("loreft") is None, "its layers say nothing"
    assert support.blocks_of("no_method") is None


def test_nestings_and_types_are_those_of_the_library() -> None:
    for kind, name in KINDS.items():
        outer = getattr(composition, name)
        allowed = composition.ALLOWED_NESTINGS[outer]
        for inner, inner_name in KINDS.items():
            assert support.nests(kind, inner) == (getattr(composition, inner_name) in allowed)
        for model_type in ("bert", "clip", "of-mine"):
            types = composition.SUPPORTED_MODELS.get(outer, [model_type])
            assert support.allows(kind, model_type) == (model_type in types)


def test_methods_that_a_model_takes() -> None:
    import adapters

    from adapter_audit.auditor import toys

    model = toys.bert()
    assert AdaptersBackend().supported(model) == ()
    adapters.init(model)
    taken = AdaptersBackend().supported(model)
    assert {"lora", "prefix_tuning", "seq_bn"} <= set(taken)
    assert "pfeiffer" not in taken, "one name for each method, the current one"
