"""What the library says of blocks is read from its source as it is in its classes."""

from __future__ import annotations

import pytest
from adapters import composition
from adapters.methods.bottleneck import BottleneckLayer
from adapters.methods.lora import LoRALinear
from adapters.methods.prefix_tuning import PrefixTuningLayer

from adapter_audit.auditor.library.adapters import LIBRARY
from adapter_audit.auditor.library.adapters.block_names import BLOCKS


@pytest.mark.parametrize(
    ("method", "layer"),
    [("lora", LoRALinear), ("seq_bn", BottleneckLayer), ("prefix_tuning", PrefixTuningLayer)],
)
def test_blocks_are_those_of_the_layers(method: str, layer: type) -> None:
    names = {block.__name__.lower() for block in layer.supported_compositions}  # type: ignore[attr-defined]
    assert LIBRARY.tables.blocks_of(method) == names
    assert method in LIBRARY.tables.methods_with(frozenset(names))


def test_unions_support_what_all_their_parts_do() -> None:
    assert LIBRARY.tables.blocks_of("lora[r=2]|seq_bn") == {"stack", "parallel", "batchsplit", "average"}
    assert LIBRARY.tables.blocks_of("mam") == LIBRARY.tables.blocks_of("prefix_tuning")
    assert LIBRARY.tables.blocks_of("loreft") is None, "its layers say nothing"
    assert LIBRARY.tables.blocks_of("no_method") is None


def test_nestings_and_types_are_those_of_the_library() -> None:
    for kind, name in BLOCKS.items():
        outer = getattr(composition, name)
        allowed = composition.ALLOWED_NESTINGS[outer]
        for inner, inner_name in BLOCKS.items():
            assert LIBRARY.tables.nests(kind, inner) == (getattr(composition, inner_name) in allowed)
        for model_type in ("bert", "clip", "of-mine"):
            types = composition.SUPPORTED_MODELS.get(outer, [model_type])
            assert LIBRARY.tables.allows(kind, model_type) == (model_type in types)


def test_methods_that_a_model_takes() -> None:
    import adapters

    from adapter_audit.auditor import toys

    model = toys.bert()
    assert LIBRARY.supported(model) == ()
    adapters.init(model)
    taken = LIBRARY.supported(model)
    assert {"lora", "prefix_tuning", "seq_bn"} <= set(taken)
    assert "pfeiffer" not in taken, "one name for each method, the current one"
