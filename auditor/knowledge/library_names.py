"""What the audited libraries call things: `library_names.json`, typed. Light: no library is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar

Names = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class TransformersNames:
    """Fields of configurations, outputs and task heads, as transformers' models share them."""

    widths: Names
    """Hidden sizes of a model."""
    pooled_widths: Names
    embedding_widths: Names
    projected_widths: Names
    inner_widths: Names
    """Widths of feed-forward layers."""
    heads: Names
    kv_heads: Names
    head_sizes: Names
    rotated: Names
    """Components of a head that rotary embeddings turn."""
    rotary_scaling: str
    rotary_share: str
    """Share of a head's components that are rotated."""
    depths: Names
    """Numbers of layers."""
    layer_lists: Names
    """Parts of names of lists that pick layers."""
    counts_of_some: Names
    """More than one of these makes layers unlike."""
    parts: Names
    """Configurations of single models in that of several."""
    text_parts: Names
    """Those that may read the caller's tokens."""
    vision_part: str
    vocabulary: str
    token_id: str
    """End of the names of special tokens' ids."""
    special_tokens: Names
    """Beginnings of those names."""
    forced_tokens: Names
    """Lists of token ids that generation forces or forbids."""
    positions: Names
    """Rows of the table of absolute positions."""
    audio_positions: str
    image_size: str
    patch_size: str
    cache_classes: Names
    preparing_method: str
    """Of a model: it prepares what each step of decoding is given."""
    unbatched_arguments: Names
    """Arguments of a forward whose first dimension is never the batch."""
    head_masks: Names
    """Arguments with a number for each layer and head."""
    embedded_arguments: Names
    """Arguments whose last dimension is the model's width."""
    generate: str
    """The method of a model that generates."""
    main_arguments: Names
    """Arguments that tell the batch size."""
    caches: Names
    """Outputs that hold keys and values for later steps."""
    pairwise_outputs: Names
    """Beginnings of outputs with a number for each pair of rows (image-text similarities)."""
    side_outputs: Names
    """Beginnings of outputs that are no answer: a mean over rows, or states that show up in later ones."""
    generating_classes: Names
    """Ends of the names of classes that make text."""
    whole_sequence_tasks: Names
    """Task heads of encoder-decoders that put the same sequence into both sides."""
    row_label_tasks: Names
    """Task heads with a label for each row."""
    token_label_tasks: Names
    """Task heads with a label for each token."""


@dataclass(frozen=True)
class AdaptersNames:
    """Modules and functions of `adapters` that patches and rules know."""

    package: str
    models: str
    """Folder of the overrides of models."""
    composition: str
    """Module of the blocks."""
    block: str
    """Part of the annotation of a parameter that is a set-up."""
    look_up: str
    """`adapters_config.match(name, config_type=..., location_key=...)`."""
    replicate: str
    """Replicates its arguments after the first one; with an underscore, in place."""
    prefixing: str
    """A call that puts keys before the model's own."""
    ends: Names
    """Parts of names of tensors without which a module has no effect."""
    set_up_contexts: str
    """Module of the contexts whose set-up holds in a `with` block."""
    set_up_context: str
    set_up_of_context: str
    """Where such a context keeps it."""
    set_up_getters: Names
    """Functions that give the active composition."""
    set_up_pickers: Names
    """Methods that pick one adapter of a composition."""
    head_outputs: str
    """Output that holds those of several active heads, one after the other."""
    head_methods: Mapping[str, str]
    """Type of a prediction head, as in its configuration -> the method of a model that adds one."""
    head_labels: Mapping[str, str]
    """Type of a prediction head -> what its loss compares with (`prediction_heads.LabelKind`)."""
    context_arguments: Names
    """Arguments that every prepared model's forward takes beside its own."""


@dataclass(frozen=True)
class PeftNames:
    """Fields of configurations and parts of names in `peft`."""

    tasks: Mapping[str, str]
    """Part of the name of a transformers class with a head -> the library's task."""
    notes: Names
    """Fields of configurations that say where an adapter comes from, or its state, not what it is."""
    layer_fields: Names
    """Fields of configurations that pick layers by their numbers."""
    module_fields: Names
    """Fields whose names of modules may hold numbers of layers."""
    deviation: float
    """Standard deviation of what moves an adapter's parameters so far that its effect is seen."""
    deviations: Mapping[str, float]
    """Tuner -> another one, for those with a scale of their own."""
    swapping_tuners: Names
    """Tuners of which only the active adapter's parameters are in the model, without its name."""
    swapped_parameters: str
    """Beginning of the last part of these parameters' names."""


@dataclass(frozen=True)
class PeftFiles:
    """What stands in the files of `peft`."""

    lora: str
    """The `peft_type` of LoRA."""
    all_linear: str
    """In place of targets: every linear layer."""
    ends: Names
    """Parts of names of tensors without which a module has no effect."""
    embeddings: Names
    """Modules that are saved whole, where their vocabulary was changed."""
    default_heads: Names
    """What `peft` adds to `modules_to_save` by itself, whichever of them the model has."""
    task_classes: Mapping[str, str]
    """Task type -> class of transformers that the base model is loaded with."""


def _typed(kind: type[T], data: dict[str, Any]) -> T:
    """Raises TypeError where the data has other fields."""
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


_DATA = json.loads((files(__package__) / "library_names.json").read_text(encoding="utf-8"))
TRANSFORMERS = _typed(TransformersNames, _DATA["transformers"])
ADAPTERS = _typed(AdaptersNames, _DATA["adapters"])
PEFT = _typed(PeftNames, _DATA["peft"])
PEFT_FILES = _typed(PeftFiles, _DATA["peft_files"])
