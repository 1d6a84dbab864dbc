"""From a spec to a model with its adapters, on the meta device or for real.

Everything is built inside `torch.device("meta")` for the static half: `adapters.init` allocates real
weights otherwise, and cost then follows the width of the model instead of the number of its layers.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from ..errors import BuildError, UsageError
from ..library.library import Library
from ..request.job import Job
from ..request.model_in_hand import is_compiled
from ..request.model_source import ModelSource
from ..request.position_table import check_length
from ..schema.composition import Block, Node
from ..schema.heads import Heads
from ..schema.spec import AuditSpec
from ..trace.meta.device import ValuelessDevice, values_on_meta
from ..trace.meta.dispatch import MetaValues
from ..trace.module_paths import Names, names_in, own_tensors, walked
from ..trace.records import Failure
from ..trace.runs import RunOptions
from ..trace.stack_sites import is_deliberate, message_of, traceback_sites
from .inputs import InputMaker, check_given, input_maker

GENERATING = ("generate", "beam")


@dataclass
class Subject:
    """A model with its adapters, ready to run; or the failure that the set-up ended with."""

    job: Job
    model: Any
    inputs: InputMaker | None = None
    setup_failure: Failure | None = None
    heads: Heads | None = None
    """The prediction heads that the composition runs with; None for a model without any to choose from."""
    own_dtypes: frozenset[torch.dtype] = frozenset()
    """Floating dtypes of the model and its adapters as they are in use, whatever it was built in."""

    @property
    def tree(self) -> Block:
        """The composition."""
        return self.job.tree

    @property
    def library(self) -> Library:
        """What put the adapters in."""
        return self.job.library

    @cached_property
    def names(self) -> Names:
        """What the model's parts are called, once the adapters are in."""
        return names_in(self.model)

    def activate(self, tree: Node | None, head: str | None = None) -> None:
        """Make a composition active (None: no adapter), with the skipped layers, as the mode needs it.

        `head` is the only one to be active, where there are some to choose from.
        """
        library, skipped = self.library, self.job.spec.skip_layers
        if self.job.spec.mode == "train" and tree is not None:
            library.activate(self.model, tree, skipped)  # validates for the model type
            library.start_training(self.model, tree)
        library.activate(self.model, tree, skipped)
        if self.heads is not None and library.heads is not None:
            library.heads.use(self.model, Heads((head,)) if head else self._heads_for(tree))

    def _heads_for(self, tree: Node | None) -> Heads:
        """The composition's heads; the first of them on other trees, unless each of them serves all rows."""
        assert self.heads is not None
        if tree == self.tree or (tree is None and self.heads.sizes):
            return self.heads
        divided = self.heads.sizes or len(self.heads.names) == self.job.lanes
        return Heads(self.heads.names[:1]) if divided else self.heads

    def run_options(self) -> RunOptions:
        """How `trace.runs.execute` is to run what is active now."""
        learns = self.library.active(self.model) is not None
        return RunOptions(use_cache=self.library.generates_with_cache, learns=learns, as_in_use=frozenset())

    def release(self) -> None:
        """Take the model apart, once nobody asks it any more; one that a user's function made stays whole.

        Hooks and attributes that are its own methods make it a cycle, which waits for the collector.
        """
        if self.job.source.factory is None:
            for module in walked(self.model).values():
                vars(module).clear()


def build(
    job: Job,
    *,
    device: str = "meta",
    dtype: torch.dtype | None = None,
    bare: Callable[[Any], None] | None = None,
) -> Subject:
    """Build the model and set up the composition; `bare` is called with the model before it has adapters.

    All is made in `dtype`, to compare values; without one, the model is loaded in the spec's dtype and gets
    adapters as the library adds them, to see what meets in use.

    A failure of the adapter library during the set-up is part of the result (`setup_failure`). Raises
    BuildError when the model itself cannot be built, UsageError for unknown methods or inputs.
    """
    job.library.quiet()
    for method in dict.fromkeys(job.methods.values()):
        job.library.check_method(method)
    loaded = loaded_dtype(job)
    with default_dtype(dtype or loaded), _on(device):
        model = _bare_on(device, job)
        if device == "meta":
            _all_to_meta(model)  # a function's model may have real weights
        if dtype is None:
            as_loaded(model, job)
        own = floating_dtypes(model) if job.source.factory else {loaded} | _told_dtypes(job)
        if dtype is not None:
            model.to(device, dtype)
    if bare is not None:
        bare(model.eval())
    with default_dtype(dtype or torch.float32), _on(device):
        subject = Subject(job, model)
        subject.setup_failure = set_up(subject)
        if device == "meta":
            _all_to_meta(model)  # some adapter parameters are made from real values, on the CPU
    if dtype is None:
        _cast_as_told(model, job)
    subject.own_dtypes = frozenset(own | (floating_dtypes(model) - {dtype}))
    if subject.setup_failure is None:
        check_given(model, job.source.inputs or {})
        subject.inputs = input_maker(model, job, dtype)
        _check_length(subject)
    return subject


def _on(device: str) -> contextlib.AbstractContextManager[Any]:
    return ValuelessDevice() if device == "meta" else torch.device(device)


def _all_to_meta(model: torch.nn.Module) -> None:
    """`Module.to` takes as long as to build the model: only where there is something to move."""
    if any(not t.is_meta for module in walked(model).values() for t in own_tensors(module).values()):
        model.to("meta")


def _bare_on(device: str, job: Job) -> Any:
    """Some constructors read small tensors (drop path rates, rotary frequencies), which meta refuses."""
    skips = device == "meta" and job.source.factory is None  # what a function makes is its own matter
    try:
        with _no_initial_weights() if skips else contextlib.nullcontext():
            return _tied(bare_model(job)) if skips else bare_model(job)
    except BuildError as error:
        if device != "meta" or "meta" not in str(error):
            raise
    with MetaValues() as values, values_on_meta(values.carrier):
        return bare_model(job)


def _no_initial_weights() -> contextlib.AbstractContextManager[Any]:
    """Initial values of meta tensors are nothing, and most of the time of building a large model."""
    from transformers.modeling_utils import no_init_weights

    skipping: contextlib.AbstractContextManager[Any] = no_init_weights()
    return skipping


def _tied(model: Any) -> Any:
    """Tie what transformers ties at the end of the initialisation that was skipped."""
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    return model


def set_up(subject: Subject) -> Failure | None:
    """Prepare the model, add all adapters and make the composition active once."""
    job, library, model = subject.job, subject.library, subject.model
    try:
        library.prepare(model)
        missing = {n: method for n, method in job.methods.items() if not library.has_adapter(model, n)}
        library.add(model, missing, job.tree)
        _add_heads(subject)
        if job.spec.gradient_checkpointing:
            _enable_checkpointing(model, library.package)
        model.eval()
        _activate_with_heads(subject)
    except UsageError:
        raise
    except Exception as error:
        return failure_of(error, library.package)
    return None


def _add_heads(subject: Subject) -> None:
    """Each adapter's head, under the adapter's name: so it becomes active with the adapter."""
    heads, job = subject.library.heads, subject.job
    if heads is not None:
        heads.add(subject.model, {n: head for n, head in job.spec.heads.items() if n in job.names})


def _activate_with_heads(subject: Subject) -> None:
    """The composition, with the heads that are asked for, or with those that follow from it."""
    chosen = _chosen_heads(subject)
    subject.activate(subject.tree)
    if chosen is None:
        heads = subject.library.heads
        subject.heads = heads.active(subject.model) if heads is not None else None
    else:
        subject.heads = chosen
        subject.activate(subject.tree)


def _chosen_heads(subject: Subject) -> Heads | None:
    """The heads of a spec, or those that are active in a model in hand; None where none are chosen."""
    job, heads = subject.job, subject.library.heads
    if job.spec.active_head is not None:
        return Heads(job.spec.active_head)
    return heads.active(subject.model) if heads is not None and job.source.in_hand else None


def _enable_checkpointing(model: Any, package: str) -> None:
    """As a user does; where the library leaves it to transformers, frozen embeddings need a gradient, too.

    A model in hand for which its user did that is left as it is.
    """
    if model.is_gradient_checkpointing:
        return
    model.gradient_checkpointing_enable()
    if package not in type(model).gradient_checkpointing_enable.__module__:
        model.enable_input_require_grads()


def failure_of(error: Exception, package: str) -> Failure:
    """An exception as data, outside a recording."""
    sites = traceback_sites(error.__traceback__)
    return Failure(
        kind=type(error).__name__,
        message=message_of(error),
        site=sites[0] if sites else None,
        module="",
        deliberate=is_deliberate(error.__traceback__, package),
        frames=sites,
    )


def loaded_dtype(job: Job) -> torch.dtype:
    """What the spec says that the model is loaded in."""
    found: torch.dtype = getattr(torch, job.spec.dtype or "float32")
    return found


def as_loaded(model: Any, job: Job) -> None:
    """Cast what was not built in the spec's dtype, and leave in float32 what transformers leaves so.

    Of a model in hand all is as it is: `request.model_in_hand` casts a copy where that is asked for.
    """
    dtype = loaded_dtype(job)
    if job.source.in_hand or job.spec.dtype is None:
        return
    if job.source.factory is not None:
        model.to(dtype)
    kept = set(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    if dtype is torch.float16:  # its range is smaller than that of bfloat16
        kept |= set(getattr(model, "_keep_in_fp32_modules", None) or ())
    for path, module in walked(model).items():
        if dtype is not torch.float32 and kept & set(path.split(".")):
            module.to(torch.float32)


def _cast_as_told(model: Any, job: Job) -> None:
    """Each parameter as it is in the model that this one is built after."""
    told = job.source.dtypes or {}
    if not job.source.in_hand:
        for name, parameter in model.named_parameters():
            if name in told:
                parameter.data = parameter.data.to(getattr(torch, told[name]))


def _told_dtypes(job: Job) -> set[torch.dtype]:
    return {getattr(torch, name) for name in set((job.source.dtypes or {}).values())}


def floating_dtypes(model: Any) -> set[torch.dtype]:
    """Of all parameters."""
    return {p.dtype for p in model.parameters() if p.is_floating_point()}


def import_classes(job: Job) -> None:
    """Import what `build` will need, which takes longer than to build.

    Raises UsageError for an unknown model_type or head, BuildError for a config that is not valid.
    """
    job.library.load()
    if job.source.factory is None:
        config = make_config(job.source)
        if job.spec.heads:
            return
        mapping = getattr(class_of(job, config), "_model_mapping", {})
        if type(config) in mapping:
            mapping[type(config)]  # imports the class that stands behind an automatic one


def bare_model(job: Job) -> Any:
    """The model without adapters, on the current default device."""
    source = job.source
    return _from_factory(source) if source.factory else _from_config(job, make_config(source))


def _from_factory(source: ModelSource) -> Any:
    assert source.factory is not None
    try:
        model = source.factory()
    except Exception as error:
        raise BuildError(f"{source.name} failed", why=f"{type(error).__name__}: {error}") from error
    if not isinstance(model, torch.nn.Module):
        raise UsageError(f"{source.name} returns no model", why=f"it returns {type(model).__name__}")
    if is_compiled(model):
        why = "its operations cannot be followed"
        raise UsageError(f"{source.name} returns a compiled model", why=why, do="return it uncompiled")
    return model


def make_config(source: ModelSource) -> Any:
    """The transformers configuration object. Raises UsageError for an unknown model_type."""
    from transformers import AutoConfig

    data = copy.deepcopy(dict(source.config or {}))
    model_type = data.pop("model_type")
    for key in ("torch_dtype", "dtype", "transformers_version", "_name_or_path", "quantization_config"):
        data.pop(key, None)
    try:
        if source.config_class:
            config = named_object(source.config_class)(**data)
        else:
            config = AutoConfig.for_model(model_type, **data)
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"the model_type {model_type!r} is unknown to the installed transformers",
            why=str(error).splitlines()[0][:120],
            do="upgrade transformers or correct the config",
        ) from error
    except Exception as error:
        raise BuildError("the configuration is not valid", why=f"{type(error).__name__}: {error}") from error
    if getattr(config, "pad_token_id", None) is None and hasattr(config, "vocab_size"):
        config.pad_token_id = 0  # batches with padding and classification heads need one
    return config


def _from_config(job: Job, config: Any) -> Any:
    options = {"attn_implementation": job.spec.attn} if job.spec.attn else {}
    if job.spec.heads and job.library.heads is not None:
        return job.library.heads.model(config, **options)
    cls = class_of(job, config)
    try:
        if hasattr(cls, "from_config"):
            return cls.from_config(config, **options)
        return cls._from_config(config, **options)
    except Exception as error:
        raise BuildError(
            f"the model cannot be built as {cls.__name__}",
            why=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        ) from error


def class_of(job: Job, config: Any) -> Any:
    """The class to build: that of the source, or the one that the spec and the configuration ask for."""
    name = job.source.model_class
    return named_object(name) if name else model_class(job.spec, config)


def named_object(name: str) -> Any:
    """What `module:name` stands for."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def model_class(spec: AuditSpec, config: Any) -> Any:
    """The class to build: the asked head, a head that can generate, the config's own class, or the base."""
    import transformers

    if spec.head:
        cls = getattr(transformers, f"AutoModelFor{spec.head}", None) or getattr(
            transformers, spec.head, None
        )
        if cls is None:
            known = sorted(
                n[len("AutoModelFor") :] for n in dir(transformers) if n.startswith("AutoModelFor")
            )
            raise UsageError(f"unknown head {spec.head!r}", do=f"known heads: {', '.join(known)}")
        return cls
    named = getattr(transformers, (getattr(config, "architectures", None) or [""])[0], None)
    if named is not None and (spec.mode not in GENERATING or _can_generate(named)):
        return named
    if spec.mode in GENERATING:
        return _generating_class(config)
    return transformers.AutoModel


def _can_generate(cls: Any) -> bool:
    return bool(hasattr(cls, "can_generate") and cls.can_generate())


def _generating_class(config: Any) -> Any:
    import transformers

    for auto in ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForSpeechSeq2Seq"):
        cls = getattr(transformers, auto)
        if type(config) in cls._model_mapping and (
            auto != "AutoModelForCausalLM" or not config.is_encoder_decoder
        ):
            return cls
    raise UsageError(f"models of type {config.model_type} cannot generate", do="use --mode forward")


def _check_length(subject: Subject) -> None:
    """Sequences longer than the model's table of positions fail in every run, adapters or not."""
    config, tokens = subject.model.config, subject.job.tokens
    if hasattr(config, "to_dict"):
        check_length(subject.job, config.to_dict())
    limit = getattr(config, "max_position_embeddings", None)
    if isinstance(limit, int) and tokens > limit > 0 and _has_position_table(subject.model, limit):
        raise UsageError(
            f"a sequence of {tokens} tokens is longer than the model allows",
            why=f"max_position_embeddings is {limit}",
            do=f"use --seq-len {limit} or less",
        )


def _has_position_table(model: Any, limit: int) -> bool:
    return any(
        "position" in name and parameter.dim() == 2 and limit <= parameter.shape[0] <= limit + 2
        for name, parameter in model.named_parameters()
    )


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype | None) -> Iterator[None]:
    """What new tensors have in the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype or before)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
