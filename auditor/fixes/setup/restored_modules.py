"""What `adapters.init` takes out of a model, put back as an adapter below all others.

For models whose own small modules (a down and an up projection with a residual) are removed because
adapters are to take their place: without them the model is another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...errors import LibraryRefusal
from ...library.adapters.adapters_library import AdaptersLibrary
from ...schema.composition import Block, Node, as_block

ORIGINAL = "original"
"""Name of the adapter."""
CONFIG = (
    "seq_bn[original_ln_before=True,original_ln_after=False,residual_before_ln=False,non_linearity='{act}',"
)
CODE = """\
own = {{n: p.detach().clone() for n, p in model.named_parameters()}}  # before adapters.init(model)
adapters.init(model)
gone = [p for n, p in own.items() if n not in dict(model.named_parameters())]
width = model.config.hidden_size
down = [p for p in gone if p.dim() == 2 and p.shape[1] == width]
model.add_adapter("{name}", config="{config}reduction_factor=" + str(width / down[0].shape[0]) + "]")
count = len(down) // len(model.get_adapter("{name}"))  # as many small modules in each layer: the first counts
for number, places in model.get_adapter("{name}").items():
    for module in places.values():
        values = iter(gone[4 * count * number :])  # down weight and bias, up weight and bias
        for part in (module.adapter_down[0], module.adapter_up):
            part.weight.data.copy_(next(values))
            part.bias.data.copy_(next(values))
below = lambda setup: ac.Stack("{name}", *(setup if isinstance(setup, ac.Stack) else [setup]))
"""


def code(act: str) -> str:
    """The Python to paste, for modules with this activation function."""
    return CODE.format(name=ORIGINAL, config=CONFIG.format(act=act))


def put_below(code: str) -> str:
    """The same Python with the adapter below what it sets active."""
    text = re.sub(r"(model\.active_adapters = )(.*)", r"\1below(\2)", code)
    return re.sub(r"(model\.set_active_adapters\()(.*)(, skip_layers=.*)", r"\1below(\2)\3", text)


class Restored(AdaptersLibrary):
    """Adds the adapter after `adapters.init` and puts it below every composition."""

    def prepare(self, model: Any) -> Any:
        """Raises LibraryRefusal when nothing was taken out, or nothing that such an adapter could be."""
        own = {name: p.detach().clone() for name, p in model.named_parameters()}
        super().prepare(model)
        if ORIGINAL not in model.adapters_config:
            _put_back(model, own)
        return model

    def activate(self, model: Any, tree: Node | None, skip_layers: tuple[int, ...] | None = None) -> None:
        """The adapter alone where no adapter is asked for."""
        top = as_block(tree) if tree is not None else Block("stack", ())
        children = top.children if top.kind == "stack" else (top,)
        super().activate(model, Block("stack", (ORIGINAL, *children)), skip_layers)
        if tree is None:  # something active is trained in train mode, or there is no backward pass
            for _, parameter in self.parameters(model, ORIGINAL):
                parameter.requires_grad_(True)


def _put_back(model: Any, own: Mapping[str, Any]) -> None:
    left = {name for name, _ in model.named_parameters()}
    gone = [parameter for name, parameter in own.items() if name not in left]
    width = model.config.hidden_size
    down = [p for p in gone if p.dim() == 2 and p.shape[1] == width]
    if not down or len(gone) != 4 * len(down):
        raise LibraryRefusal("adapters.init takes no small modules out of this model")
    act = getattr(model.config, "hidden_act", "gelu")
    config = f"{CONFIG.format(act=act)}reduction_factor={width / down[0].shape[0]}]"
    model.add_adapter(ORIGINAL, config=config)
    layers = model.get_adapter(ORIGINAL)
    for number, places in layers.items():
        for module in places.values():
            values = iter(gone[4 * (len(down) // len(layers)) * number :])
            for part in (module.adapter_down[0], module.adapter_up):
                part.weight.data.copy_(next(values))
                part.bias.data.copy_(next(values))
