"""The library's layers that defects are planted into; looked up when one is planted."""

from __future__ import annotations

from typing import Any

from .edit import module


def composable_layer() -> Any:
    """The base of all layers that run compositions."""
    return module("methods.adapter_layer_base").ComposableAdapterLayerBase


def lora_layer() -> Any:
    """The linear layer that LoRA wraps."""
    return module("methods.lora").LoRALinear


def bottleneck_layer() -> Any:
    """The layer of bottleneck adapters."""
    return module("methods.bottleneck").BottleneckLayer


def prefix_layer() -> Any:
    """The layer of prefix tuning."""
    return module("methods.prefix_tuning").PrefixTuningLayer
