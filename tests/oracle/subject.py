"""The real thing under test: model, adapters, weights. Everything random is seeded, in the default dtype."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import adapters
import adapters.composition as blocks
import torch
import transformers
from adapters.configuration import AdapterConfig
from torch import nn

from .expr import Expr

Spec = dict[str, Any]
_SPREAD = 0.5
"""Spread of adapter weights: large enough that a wrong adapter is far from a right one."""


def build_model(spec: Spec) -> nn.Module:
    """Build the model of a spec in evaluation mode, before ``adapters.init``, all weights random."""
    path = Path(spec["model"])
    config = transformers.AutoConfig.from_pretrained(path)
    attention = {"attn_implementation": spec["attn"]} if spec.get("attn") else {}
    torch.manual_seed(0)
    if spec.get("head"):
        model = getattr(transformers, f"AutoModelFor{spec['head']}").from_config(config, **attention)
    elif config.architectures:
        model = getattr(transformers, config.architectures[0])._from_config(config, **attention)
    else:
        model = transformers.AutoModel.from_config(config, **attention)
    model = model.to(torch.get_default_dtype()).eval()
    randomise_base(model)
    no_dropout(model)
    return model  # type: ignore[no-any-return]


def randomise_base(model: nn.Module) -> None:
    """Give all weights of a model random values of a usual size."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if parameter.dim() >= 2:
            fan_in = parameter[0].numel() if parameter.dim() > 2 else max(parameter.shape)
            parameter.data = _cast(noise / math.sqrt(fan_in) * 1.5)
        else:
            center = 1.0 if bool((parameter == 1).all()) and parameter.numel() > 1 else 0.0
            parameter.data = _cast(center + 0.2 * noise)
    embeddings = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    for embedding in embeddings:
        drawn = torch.randn(embedding.weight.shape, generator=generator, dtype=torch.float64)
        embedding.weight.data = _cast(drawn)


def _cast(value: torch.Tensor) -> torch.Tensor:
    """Weights are drawn in float64 and used in the default dtype, so that both have the same ones."""
    return value.to(torch.get_default_dtype())


def no_dropout(model: nn.Module) -> None:
    """Take all chance out of a model."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def to_block(expr: Expr) -> Any:
    """Translate an expression to the library's composition classes."""
    if expr.kind == "adapter":
        return expr.name
    children = [to_block(child) for child in expr.children]
    if expr.kind == "batchsplit":
        return blocks.BatchSplit(*children, batch_sizes=[int(n) for n in expr.numbers])
    if expr.kind == "split":
        return blocks.Split(*children, splits=[int(n) for n in expr.numbers])
    if expr.kind == "average":
        return blocks.Average(*children, weights=list(expr.numbers) or None)
    names = {"parallel": "Parallel", "stack": "Stack", "fuse": "Fuse", "multitask": "MultiTask"}
    return getattr(blocks, names[expr.kind])(*children)


def activate(model: Any, expr: Expr | None, skip_layers: list[int] | None) -> None:
    """Make the composition (or nothing) the active one."""
    if expr is None:
        model.set_active_adapters(None)
    else:
        model.set_active_adapters(to_block(expr), skip_layers=skip_layers)


def add_adapters(model: Any, spec: Spec, expr: Expr) -> None:
    """Initialise the library on the model, add all adapters and fusion layers, move every weight."""
    adapters.init(model)
    for name in expr.adapters():
        model.add_adapter(name, config=adapter_config(spec, name))
    for node in expr.walk():
        if node.kind == "fuse":
            model.add_adapter_fusion(fusion_of(node))
    share_tasks(model, spec, expr)
    model.to(torch.get_default_dtype()).eval()
    no_dropout(model)
    generator = torch.Generator().manual_seed(2)
    for path, parameter in adapter_parameters(model, expr.adapters()):
        move(path, parameter, generator)


def fusion_of(node: Expr) -> Any:
    """What a user adds for a Fuse block: the fusion of the adapters that its children end with."""
    return blocks.Fuse(*(child.adapters()[-1] for child in node.children))


def adapter_config(spec: Spec, name: str) -> str:
    """Configuration string of an adapter of the spec."""
    named = spec.get("adapters") or {}
    return str(named[name]) if name in named else str(spec["adapter"])


def share_tasks(model: Any, spec: Spec, expr: Expr) -> None:
    """Share parameters between the tasks of a MultiTask block whose adapters are made for that."""
    kind = getattr(adapters, "MultiTaskConfig", None) or getattr(
        adapters.configuration.adapter_config, "MultiTaskConfig", None
    )
    for node in expr.walk():
        names = [c.name for c in node.children]
        if kind is None or node.kind != "multitask" or not all(names):
            continue
        if all(isinstance(AdapterConfig.load(adapter_config(spec, n)), kind) for n in names):
            model.share_parameters(adapter_names=names)


def move(path: str, parameter: nn.Parameter, generator: torch.Generator) -> None:
    """Replace the weights by others far from where they are, keeping the scale of a trained adapter."""
    value = parameter.data
    noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    scale = _SPREAD / math.sqrt(value.shape[-1]) * 2 if value.dim() >= 2 else _SPREAD
    if "parametrizations" in path.split("."):
        # Orthogonal matrices are stored as Householder vectors, with signs (1, -1) on the diagonal.
        noise.diagonal(dim1=-2, dim2=-1).zero_()
    parameter.data = (value + scale * noise).to(value.dtype)


def adapter_parameters(model: nn.Module, names: list[str]) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of any of the adapters, or of a fusion or sharing of them."""
    wanted = set(names)
    for path, parameter in model.named_parameters():
        if any(wanted & set(part.split(",")) for part in path.split(".")):
            yield path, parameter


def own_parameters(model: nn.Module, name: str) -> dict[str, nn.Parameter]:
    """Return the parameters of one adapter only, shared ones left out, and those of a head of its name."""
    own = {p: v for p, v in model.named_parameters() if name in p.split(".")[:-1]}  # a bias may be named "b"
    return {p: v for p, v in own.items() if not p.startswith("heads.")}


@contextmanager
def perturbed(model: nn.Module, name: str) -> Iterator[bool]:
    """Move all weights of one adapter for a while; yields whether it has any."""
    parameters = own_parameters(model, name)
    kept = {path: p.data for path, p in parameters.items()}
    generator = torch.Generator().manual_seed(3)
    try:
        for path, p in parameters.items():
            move(path, p, generator)
        yield bool(parameters)
    finally:
        for path, p in parameters.items():
            p.data = kept[path]


@contextmanager
def equal_children(model: nn.Module, node: Expr) -> Iterator[bool]:
    """Make a Fuse block neutral: children get the weights of the first, values are passed through.

    Yields False where that cannot be done because the children are of different kinds.
    """
    first = own_parameters(model, node.children[0].name)
    kept: dict[nn.Parameter, torch.Tensor] = {}
    possible = bool(first)
    try:
        for child in node.children[1:]:
            other = own_parameters(model, child.name)
            possible = possible and _copy(first, other, node.children[0].name, child.name, kept)
        _identity_values(model, node, kept)
        yield possible
    finally:
        for parameter, data in kept.items():
            parameter.data = data


def in_the_same_layers(model: nn.Module, node: Expr) -> bool:
    """Whether every layer that has one of a block's adapters has all of them."""
    layers = [
        {path.split(f".{child.name}.")[0] for path in own_parameters(model, child.name)}
        for child in node.children
    ]
    return all(found == layers[0] for found in layers)


@contextmanager
def attention_on(model: nn.Module, node: Expr, index: int) -> Iterator[None]:
    """The fusion layers of a Fuse see one child only, by other queries and keys, for a while."""
    fusion = ",".join(c.name for c in node.children)
    layers = [m for path, m in model.named_modules() if path.endswith(f".{fusion}") and hasattr(m, "query")]
    originals = [(m, m.query, m.key) for m in layers]
    kept: dict[nn.Parameter, torch.Tensor] = {}
    try:
        for layer in layers:
            layer.query, layer.key = _Query(), _Key(index)
        _identity_values(model, node, kept)
        yield
    finally:
        for layer, query, key in originals:
            layer.query, layer.key = query, key
        for parameter, data in kept.items():
            parameter.data = data


class _Query(nn.Module):
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(states)


class _Key(nn.Module):
    """The scores of one child are so high that softmax leaves exactly nothing to the others."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        children = torch.arange(states.shape[-2]) == self.index
        return torch.ones_like(states) * children[:, None] * 1e7


def _copy(
    source: dict[str, nn.Parameter],
    target: dict[str, nn.Parameter],
    source_name: str,
    target_name: str,
    kept: dict[nn.Parameter, torch.Tensor],
) -> bool:
    renamed = {".".join(source_name if s == target_name else s for s in p.split(".")): p for p in target}
    if set(renamed) != set(source) or any(source[s].shape != target[t].shape for s, t in renamed.items()):
        return False
    for path, other in renamed.items():
        kept[target[other]] = target[other].data
        target[other].data = source[path].data.clone()
    return True


def _identity_values(model: nn.Module, node: Expr, kept: dict[nn.Parameter, torch.Tensor]) -> None:
    """Equal adapters fused with an identity value matrix are the adapter."""
    fusion = ",".join(c.name for c in node.children)
    for path, parameter in model.named_parameters():
        if fusion in path.split(".") and path.endswith("value.weight"):
            kept[parameter] = parameter.data
            parameter.data = torch.eye(parameter.shape[0], dtype=parameter.dtype)
