"""A small model of the same kind: widths shrink, alike layers become few, everything that can matter stays.

Kept: the roles of layers, and their number where anything tells them apart; grouped heads, head sizes'
parity, tying, activation, biases, relative positions, convolutions, attention implementation. Fields are
recognised by their names, which transformers' configurations share; a field that is not known to be a width
stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..knowledge.library_names import TRANSFORMERS as NAMES

MAX_HEADS = 4
HEAD_SIZE = 8
HEAD_SIZES_TRIED = (HEAD_SIZE, 32, 64)
"""Some methods need a width that their own numbers divide: then heads are larger."""
MAX_VOCABULARY = 96
MAX_INTERMEDIATE = 48
MAX_PROJECTION = 32
MAX_AUDIO_POSITIONS = 16
MAX_LAYERS = 6
"""Enough for a first, a last and some between, and for the usual periods (each second, third, sixth one)."""


def shrink(
    config: Mapping[str, Any], *, fold: bool = False, head_size: int = HEAD_SIZE, given: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The shrunk configuration, and what was changed in words; `fold` where nothing asks for single layers.

    What the caller's own inputs depend on stays where they are `given`: vocabulary, images, sound.

    `config` is complete (`to_dict()` of the configuration object): fields that a checkpoint leaves out have
    the values that transformers derives for them, which is not always the class's default.
    """
    small = dict(config)
    notes: list[str] = []
    for name in NAMES.parts:
        if isinstance(small.get(name), Mapping):
            small[name], more = shrink(small[name], fold=fold, head_size=head_size, given=given)
            notes += [f"{name}: {n}" for n in more]
    _attention(small, notes, head_size)
    _intermediate(small)
    if not given:
        _vocabulary(small)
        _images(small)
    if fold:
        _layers(small, notes)
    small.update({name: 0.0 for name, value in small.items() if _is_chance(name, value)})
    return small, notes


def _is_chance(name: str, value: Any) -> bool:
    """Dropout and layer drop: two runs must be comparable."""
    return isinstance(value, float) and ("drop" in name or name.endswith("pdrop"))


def _attention(small: dict[str, Any], notes: list[str], head_size: int) -> None:
    """Heads become few and small; hidden sizes follow. Already small models stay as they are."""
    hidden = next((small[n] for n in NAMES.widths if isinstance(small.get(n), int)), None)
    heads = next((small[n] for n in NAMES.heads if isinstance(small.get(n), int)), None)
    if hidden is None or heads is None or hidden <= MAX_HEADS * head_size:
        return
    kv = next((small[n] for n in NAMES.kv_heads if isinstance(small.get(n), int)), heads)
    group = max(1, heads // kv)
    new_kv = 1 if kv == 1 else 2
    new_heads = min(heads, new_kv * min(group, MAX_HEADS)) if group > 1 else min(heads, MAX_HEADS)
    new_kv = new_heads if group == 1 else new_kv
    new_hidden = new_heads * head_size
    _replace(small, NAMES.heads, new_heads)
    _replace(small, NAMES.kv_heads, new_kv)
    _replace(small, NAMES.head_sizes, head_size)
    _replace(small, NAMES.widths, new_hidden)
    _replace(small, NAMES.pooled_widths, new_hidden)
    for name in NAMES.embedding_widths:
        _replace(small, (name,), new_hidden if small.get(name) == hidden else new_hidden // 2)
    _rotary(small, head_size)
    _replace(small, NAMES.rotated, head_size // 2)
    _limit(small, NAMES.projected_widths, MAX_PROJECTION)
    notes.append(f"width {hidden} -> {new_hidden}, heads {heads}/{kv} -> {new_heads}/{new_kv}")


def _rotary(small: dict[str, Any], head_size: int) -> None:
    """Per-frequency factors of long-context rotary embeddings: one for each pair of rotated components."""
    scaling = small.get(NAMES.rotary_scaling)
    if isinstance(scaling, Mapping):
        pairs = int(head_size * small.get(NAMES.rotary_share, 1.0)) // 2
        small[NAMES.rotary_scaling] = {k: v[:pairs] if isinstance(v, list) else v for k, v in scaling.items()}


def _intermediate(small: dict[str, Any]) -> None:
    _limit(small, NAMES.inner_widths, MAX_INTERMEDIATE)


def _vocabulary(small: dict[str, Any]) -> None:
    """A small vocabulary, with the special ids moved into it, distinct as they were."""
    size = small.get(NAMES.vocabulary)
    if not isinstance(size, int) or size <= MAX_VOCABULARY:
        return
    small[NAMES.vocabulary] = MAX_VOCABULARY
    moved: dict[int, int] = {}
    for name, value in list(small.items()):
        if name.endswith(NAMES.token_id):
            small[name] = _moved(value, moved)
    for name in NAMES.forced_tokens:
        if small.get(name):
            small[name] = None


def _moved(value: Any, moved: dict[int, int]) -> Any:
    if isinstance(value, list):
        return [_moved(v, moved) for v in value]
    if not isinstance(value, int) or 0 <= value < MAX_VOCABULARY - 16:
        return value
    return moved.setdefault(value, MAX_VOCABULARY - 1 - len(moved) % 16)


def _images(small: dict[str, Any]) -> None:
    """At least two by two patches."""
    patch, size = small.get(NAMES.patch_size), small.get(NAMES.image_size)
    if isinstance(patch, int) and isinstance(size, int) and size > 4 * patch:
        small[NAMES.image_size] = 2 * patch
    _limit(small, (NAMES.audio_positions,), MAX_AUDIO_POSITIONS)


def _layers(small: dict[str, Any], notes: list[str]) -> None:
    """Fold repeats of alike layers; one list entry for each layer goes with them."""
    depths = {name: small[name] for name in NAMES.depths if isinstance(small.get(name), int)}
    deepest = max(depths.values(), default=0)
    if deepest <= MAX_LAYERS or _unlike_layers(small, set(depths.values())):
        return
    small.update({name: min(depth, MAX_LAYERS) for name, depth in depths.items()})
    for name, value in small.items():
        if isinstance(value, list) and len(value) in depths.values():
            small[name] = value[:MAX_LAYERS]
    notes.append(f"{deepest} alike layers -> {MAX_LAYERS}")


def _unlike_layers(config: Mapping[str, Any], depths: set[int]) -> bool:
    """Whether a field tells layers apart by their number."""
    if any((config.get(name) or 0) > 1 for name in NAMES.counts_of_some):
        return True
    for name, value in config.items():
        if not isinstance(value, list) or not value:
            continue
        alike = len(value) in depths and all(item == value[0] for item in value)
        if not alike and (len(value) in depths or any(part in name for part in NAMES.layer_lists)):
            return True
    return False


def _replace(small: dict[str, Any], names: tuple[str, ...], value: int) -> None:
    for name in names:
        if isinstance(small.get(name), int):
            small[name] = value


def _limit(small: dict[str, Any], names: tuple[str, ...], largest: int) -> None:
    for name in names:
        if isinstance(small.get(name), int):
            small[name] = min(small[name], largest)
