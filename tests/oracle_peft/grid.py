"""The cells: which models, tuners, compositions and histories are judged.

A cell is a spec line of the auditor (`model`, `head`, `compose`, `adapters`, `mode`, `batch`, `mask`) and
`library: peft`, `history` (steps, see `history.STEPS`), `through` (how the adapters got on the model:
`PeftModel`, `PeftMixedModel` or transformers' own `add_adapter`), `options` (arguments of
`add_weighted_adapter`), `task_ids` (the call passes them) and `any_order` (the result must not depend on the
order of the active adapters).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import models, tuners
from .tuners import LAYERS, LORA, PROMPTS

Spec = dict[str, Any]
_ROUND = ("bert", "llama", "t5", "roberta", "opt", "distilbert", "qwen2", "bart", "mistral", "vit", "qwen3")
_GENERATORS = {"llama": "CausalLM", "t5": "Seq2SeqLM"}
_ONCE = ("lily", "oft-old", "bone", "bone-bat")
"""Not paired model by model: Lily is another model beside a second adapter, the others are old."""
_PER_ROW = (
    "lora",
    "rslora",
    "dora",
    "ia3",
    "oft",
    "boft",
    "vera",
    "loha",
    "lokr",
    "hra",
    "road",
    "glora",
    "c3a",
)
_ADDITIVE = (
    "lora",
    "rslora",
    "loha",
    "lokr",
    "vera",
    "fourierft",
    "waveft",
    "vblora",
    "randlora",
    "shira",
    "ia3",
)
_HEADS = ("lora", "road", "ia3", "glora", "vera", "oft")


def cells(folder: Path) -> list[Spec]:
    """All cells, their model directories written below `folder`; ids are unique."""
    places = models.write(folder)
    found = [
        *_mixed(),
        *_mixed_decoding(),
        *_mixed_special(),
        *_unknown(),
        *_together(),
        *_weighted(),
        *_histories(),
        *_heads(),
        *_prompts(),
        *_through(),
        *_old(),
    ]
    return [spec | {"library": "peft", "model": str(places[spec["model"]])} for spec in found]


def _cell(family: str, model: str, tuner: str, compose: str, *, suffix: str = "", **more: Any) -> Spec:
    """One cell with two adapters, `fr` and `de`, of one tuner."""
    head = more.pop("head", "")
    extra = more.pop("extra", "")
    if not head and tuner in PROMPTS:
        extra = "task_type=FEATURE_EXTRACTION"
    one = tuners.text(tuner, models.MODELS[model], extra=extra)
    other = more.pop("other", None) or _second(tuner, one)
    if tuner in ("poly", "multitask_prompt_tuning"):
        more["task_ids"] = True
    name = "-".join(filter(None, [tuner, head, more.get("mode", ""), suffix]))
    spec = {"id": f"{family}/{model}/{name}", "model": model, "compose": compose, **more}
    return spec | ({"head": head} if head else {}) | {"adapters": {"fr": one, "de": other}}


def _second(tuner: str, text: str) -> str:
    """The configuration of the second adapter: another size where the tuner allows one."""
    if tuner == "adalora":
        return text[:-1] + ",inference_mode=True]"
    if tuner in LORA or tuner in ("loha", "hra", "hira", "glora", "road"):
        return text.replace("r=4", "r=2", 1)
    return text


def _rotate(names: list[str], shift: int) -> Iterator[tuple[str, str]]:
    """A model for every tuner, another one with another shift."""
    for index, name in enumerate(names):
        model = _ROUND[(index + shift) % len(_ROUND)]
        if name in ("trainable_tokens", "lora-embedding") and model == "vit":
            model = "opt"
        yield model, name


_WHOLE = [n for n in {**LORA, **LAYERS} if n not in _ONCE]


def _mixed() -> Iterator[Spec]:
    """Mixed batches, forward: every row is its adapter alone."""
    for shift in (0, 4):
        for model, tuner in _rotate(_WHOLE, shift):
            yield _cell("mixed", model, tuner, "mixed(fr,de,__base__)")
    for tuner in ("bone", "lora", "dora", "ia3", "fourierft"):
        yield _cell("mixed", "gpt2", tuner, "mixed(fr,de,__base__)", head="CausalLM")
    for tuner in ("lora", "road", "glora", "ia3", "vera"):
        yield _cell("mixed", "bert", tuner, "mixed(fr,de,__base__;2,1,2)", suffix="counts", mask="right")
        yield _cell("mixed", "llama", tuner, "mixed(de,fr)", suffix="left", mask="left", head="CausalLM")
        yield _cell("mixed", "bart", tuner, "mixed(fr;3)", suffix="one", head="Seq2SeqLM")
        yield _cell("mixed", "opt", tuner, "mixed(__base__;2)", suffix="none")


def _mixed_decoding() -> Iterator[Spec]:
    """Mixed batches in generate, with beams, in training."""
    for tuner in (*_PER_ROW, "ln_tuning", "trainable_tokens", "miss", "hira", "lora-embedding"):
        model = "t5" if tuner in ("ia3", "vera", "lora-embedding") else "llama"
        yield _cell("mixed", model, tuner, "mixed(fr,de,__base__)", head=_GENERATORS[model], mode="generate")
    for model, head in (
        ("t5", "Seq2SeqLM"),
        ("bart", "Seq2SeqLM"),
        ("gpt2", "CausalLM"),
        ("qwen2", "CausalLM"),
    ):
        for mode in ("generate", "beam"):
            yield _cell("mixed", model, "lora", "mixed(fr,de,__base__)", head=head, mode=mode, suffix="more")
    for tuner in ("rslora", "ia3", "vera", "road", "glora", "oft", "loha", "hra"):
        yield _cell("mixed", "llama", tuner, "mixed(fr,de,__base__)", head="CausalLM", mode="beam")
    for tuner in ("road", "ia3"):
        yield _cell("mixed", "t5", tuner, "mixed(fr,de,__base__)", head="Seq2SeqLM", mode="beam")
    for tuner in ("lora", "road", "glora", "ia3", "vera", "oft", "loha"):
        yield _cell("mixed", "bert", tuner, "mixed(fr,de,__base__)", mode="train")


def _mixed_special() -> Iterator[Spec]:
    """Mixed batches after something has happened, and with adapters that do not share a place."""
    for tuner in ("lora", "road", "ia3"):
        yield _cell("mixed-after", "bert", tuner, "mixed(fr,de,__base__)", suffix="merge", history=["merge"])
        yield _cell("mixed-after", "llama", tuner, "mixed(fr,de,__base__)", suffix="set", history=["set(de)"])
        yield _cell(
            "mixed-after", "opt", tuner, "mixed(fr,de,__base__)", suffix="load", history=["save_load"]
        )
    apart = {"fr": "lora[r=4,target_modules=[query]]", "de": "lora[r=2,target_modules=[value]]"}
    yield {
        "id": "mixed-after/bert/lora-apart",
        "model": "bert",
        "compose": "mixed(fr,de,__base__)",
        "adapters": apart,
        "history": ["set(de)"],
    }


def _unknown() -> Iterator[Spec]:
    """Names that no adapter has: the library must say no."""
    for model, tuner in _rotate([n for n in _WHOLE if n not in ("pissa", "olora")], 2):
        yield _cell("unknown", model, tuner, "mixed(fr,nope)")
    for tuner in ("lora", "ia3", "prompt_tuning", "prefix_tuning"):
        yield _cell("unknown", "llama", tuner, "mixed(fr,nope)", head="CausalLM", mode="generate")
        yield _cell("unknown", "llama", tuner, "active(nope)", head="CausalLM", suffix="active")
        yield _cell(
            "unknown",
            "llama",
            tuner,
            "active(fr)",
            head="CausalLM",
            suffix="delete",
            history=["delete(nope)"],
        )
    for tuner in ("lora", "oft", "ia3"):
        yield _cell("unknown", "bert", tuner, "active(fr)", suffix="merge", history=["merge(nope)"])
        yield _cell(
            "unknown", "bert", tuner, "active(fr)", suffix="unload", history=["merge_and_unload(nope)"]
        )
    yield _cell("unknown", "bert", "lora", "weighted(fr,nope;1,1;linear)", suffix="weighted")


def _together() -> Iterator[Spec]:
    """Two active adapters, before and after merge; the order, where it must not matter."""
    for model, tuner in _rotate(_WHOLE, 6):
        yield _cell("together", model, tuner, "active(fr,de)", history=["merge", "unmerge"])
    for tuner in ("oft", "c3a", "lora", "hra", "boft", "ia3", "miss-bat"):
        yield _cell("together", "bert", tuner, "active(fr,de)", history=["merge"], suffix="again")
    for model, tuner in _rotate(list(_ADDITIVE), 1):
        yield _cell("order", model, tuner, "active(de,fr)", any_order=True)
    for tuner in ("lora", "vera", "oft"):
        yield _cell("together", "bert", tuner, "active(fr,de)", mode="train")
        yield _cell("together", "llama", tuner, "active(fr,de)", mode="generate", head="CausalLM")


def _weighted() -> Iterator[Spec]:
    """Weighted combinations: weights 1 and 0 are the first adapter; `cat` is the weighted sum of changes."""
    for tuner in ("lora", "rslora", "dora", "lora-pattern", "lora-bias", "lora-embedding"):
        for how in ("linear", "svd", "cat"):
            yield _cell(
                "weighted",
                "bert",
                tuner,
                f"weighted(fr,de;1,0;{how})",
                suffix=how,
                other=_same(tuner, "bert"),
            )
    for how in ("ties", "dare_linear", "dare_ties", "magnitude_prune", "ties_svd", "magnitude_prune_svd"):
        for tuner in ("lora", "rslora"):
            yield _cell(
                "weighted",
                "llama",
                tuner,
                f"weighted(fr,de;1,0;{how})",
                suffix=how,
                other=_same(tuner, "llama"),
                options={"density": 1.0},
            )
    for tuner in ("lora", "rslora"):
        for weights in ("0.7,0.3", "1,-1"):
            for model in ("t5", "gpt2"):
                compose = f"weighted(fr,de;{weights};cat)"
                yield _cell("weighted", model, tuner, compose, suffix=f"cat-{weights}", extra="")
    yield _cell("weighted", "llama", "lora", "weighted(fr,de;1,0;linear)", suffix="ranks")
    for tuner in ("ia3", "vera", "adalora", "loha", "oft"):
        yield _cell("weighted", "bert", tuner, "weighted(fr,de;1,0)", suffix="first")


def _same(tuner: str, model: str) -> str:
    """The second adapter with the first one's size: `linear` needs it."""
    return tuners.text(tuner, models.MODELS[model])


def _histories() -> Iterator[Spec]:
    """One adapter, and what a user does to it: after every step it must be what it was, or the base."""
    most = [n for n in _WHOLE if n not in ("pissa", "olora", "lora-pattern", "poly")]
    for model, tuner in _rotate(most, 3):
        yield _cell("merge", model, tuner, "active(fr)", history=["merge", "unmerge", "set(de)", "merge"])
    for model, tuner in _rotate(most, 8):
        yield _cell("disable", model, tuner, "active(fr)", history=["disable", "enable", "set(de)"])
    for model, tuner in _rotate(most, 5):
        yield _cell("save", model, tuner, "active(de)", history=["save_load"])
    for tuner in (
        "lora",
        "dora",
        "road",
        "ia3",
        "oft",
        "vera",
        "loha",
        "ln_tuning",
        "trainable_tokens",
        "vblora",
    ):
        yield _cell("delete", "llama", tuner, "active(fr)", history=["delete(de)"], suffix="other")
        yield _cell("delete", "bert", tuner, "active(fr)", history=["set(de)", "delete(fr)"], suffix="first")
    for tuner in ("lora", "oft", "vera", "ia3", "road", "hra"):
        yield _cell("train", "bert", tuner, "active(de)", mode="train")
        yield _cell("unload", "llama", tuner, "active(fr)", history=["unload"], head="CausalLM")
        yield _cell("unload", "opt", tuner, "active(fr)", history=["merge_and_unload(de)"], suffix="other")
        yield _cell("unload", "t5", tuner, "active(de)", history=["merge_and_unload"], suffix="merged")
        yield _cell("disable", "llama", tuner, "active(fr)", history=["merge", "disable"], suffix="merged")
    for tuner in ("lora", "road", "glora", "ia3", "vera"):
        spoiled = ["error(mixed(fr,de,__base__))"]
        yield _cell("error", "bert", tuner, "active(fr)", history=spoiled, suffix="mixed")
        yield _cell("error", "llama", tuner, "active(fr)", history=["error"], head="CausalLM", suffix="plain")
        yield _cell(
            "error", "opt", tuner, "active(fr)", history=["disable", "error", "enable"], suffix="disabled"
        )
    for model in ("llama", "t5"):
        spoiled = ["error(mixed(fr,de,__base__))"]
        yield _cell(
            "error", model, "lora", "active(fr)", history=spoiled, head=_GENERATORS[model], mode="generate"
        )
    for tuner in ("lora", "dora", "ia3", "oft"):
        yield _cell(
            "swap", "llama", tuner, "active(fr)", history=["hot_swap(fr,de)"], other=_same(tuner, "llama")
        )
    for tuner in ("lora", "rslora", "vera"):
        yield _cell(
            "switch", "bert", tuner, "active(fr)", history=["train_step", "set(de)", "train_step", "set(fr)"]
        )
    for model in ("llama-tied", "gpt2-tied"):
        for tuner in ("lora", "lora-embedding", "trainable_tokens"):
            yield _cell("tied", model, tuner, "active(fr)", history=["merge", "unmerge"], head="CausalLM")
            yield _cell(
                "tied",
                model,
                tuner,
                "active(fr)",
                history=["merge_and_unload"],
                head="CausalLM",
                suffix="out",
            )


def _heads() -> Iterator[Spec]:
    """Trained heads and trained tokens beside the adapter."""
    task = "SequenceClassification"
    for tuner in _HEADS:
        yield _cell("head", "bert", tuner, "mixed(fr,de,__base__)", head=task, suffix="mixed")
        yield _cell("head", "bert", tuner, "active(fr)", head=task, suffix="unload", history=["unload"])
        yield _cell(
            "head", "llama", tuner, "active(fr)", head=task, suffix="out", history=["merge_and_unload(de)"]
        )
        yield _cell(
            "head", "llama", tuner, "active(de)", head=task, suffix="merged", history=["merge_and_unload"]
        )
        yield _cell(
            "head",
            "distilbert",
            tuner,
            "active(fr)",
            head=task,
            suffix="switch",
            history=["set(de)", "disable"],
        )
    for tuner in ("lora", "road", "ia3"):
        own = {"head": task, "extra": "modules_to_save=[classifier],task_type=None"}
        own["other"] = tuners.text(tuner, models.MODELS["bert"], extra="task_type=None")
        for compose, history, suffix in (
            ("mixed(fr,de)", [], "some"),
            ("mixed(fr,__base__)", [], "some-base"),
            ("active(fr)", ["set(de)", "set(fr)"], "some-switch"),
            ("active(fr,de)", [], "some-both"),
            ("active(fr)", ["merge_and_unload(de)"], "some-out"),
        ):
            yield _cell("head", "bert", tuner, compose, suffix=suffix, history=history, **own)
    for model in ("roberta", "distilbert", "bart", "llama"):
        yield _cell("head", model, "lora", "mixed(fr,de,__base__)", head=task, suffix="mixed")
    yield _cell("head", "bert", "lora", "active(fr,de)", head=task, suffix="both")
    yield _cell("head", "bert", "lora", "active(fr)", head=task, suffix="save", history=["save_load"])
    tokens = f"trainable_token_indices=[{tuners.ODD}]"
    for compose, history, suffix in (
        ("mixed(fr,de,__base__)", [], "mixed"),
        ("active(fr)", ["merge", "unmerge"], "merge"),
        ("active(fr)", ["unload"], "unload"),
        ("active(de)", ["set(fr)", "disable", "enable"], "switch"),
        ("active(fr,de)", [], "both"),
        ("active(de)", ["save_load"], "save"),
        ("active(fr)", ["merge_and_unload(de)"], "out"),
    ):
        yield _cell(
            "tokens", "llama", "lora", compose, head="CausalLM", suffix=suffix, history=history, extra=tokens
        )


def _prompts() -> Iterator[Spec]:
    """Prompt learning: generate is greedy decoding by whole forwards; switching, disabling, mixing."""
    causal = ("llama", "gpt2", "opt", "qwen2", "mistral")
    for tuner in PROMPTS:
        for model in causal if tuner in ("prompt_tuning", "prefix_tuning", "p_tuning") else ("llama",):
            yield _cell("prompt", model, tuner, "active(fr)", head="CausalLM", mode="generate")
        yield _cell(
            "prompt", "llama", tuner, "active(fr)", head="CausalLM", history=["set(de)", "disable", "enable"]
        )
        yield _cell("prompt", "llama", tuner, "mixed(fr,de,__base__)", head="CausalLM", suffix="mixed")
        yield _cell(
            "prompt", "opt", tuner, "active(de)", head="CausalLM", suffix="save", history=["save_load"]
        )
    for tuner in ("prompt_tuning", "prefix_tuning"):
        yield _cell("prompt", "bert", tuner, "active(fr)", head="SequenceClassification", history=["set(de)"])
        yield _cell("prompt", "t5", tuner, "active(fr)", head="Seq2SeqLM", mode="generate")
        yield _cell("prompt", "bart", tuner, "active(fr)", head="Seq2SeqLM", mode="generate")
        yield _cell(
            "prompt", "llama", tuner, "active(fr)", head="CausalLM", suffix="delete", history=["delete(de)"]
        )
        yield _cell(
            "prompt",
            "llama",
            tuner,
            "active(fr)",
            head="CausalLM",
            mode="generate",
            suffix="disable",
            history=["disable"],
        )
    for tuner in ("lora", "ia3", "oft", "vera"):
        for model, head in (("llama", "CausalLM"), ("t5", "Seq2SeqLM")):
            yield _cell("alone", model, tuner, "active(fr)", head=head, mode="generate", history=["set(de)"])


def _through() -> Iterator[Spec]:
    """The other two ways to put adapters on a model."""
    for tuner in ("lora", "ia3", "oft", "vera", "loha"):
        own = {"through": "add_adapter", "suffix": "own"}
        yield _cell(
            "through",
            "llama",
            tuner,
            "active(fr)",
            head="CausalLM",
            history=["set(de)", "disable", "enable"],
            **own,
        )
        yield _cell("through", "bert", tuner, "active(fr,de)", **own)
        yield _cell("through", "opt", tuner, "mixed(fr,de)", **own)
        yield _cell("through", "llama", tuner, "active(de)", head="CausalLM", mode="generate", **own)
        head = {
            "head": "SequenceClassification",
            "extra": "modules_to_save=[classifier]",
            "through": "add_adapter",
        }
        history = ["set(de)", "disable", "enable"]
        yield _cell("through", "bert", tuner, "active(fr)", history=history, suffix="own-head", **head)
    yield _cell("through", "bert", "lora", "active(nope)", through="add_adapter", suffix="own-unknown")
    tokens = {
        "extra": f"trainable_token_indices=[{tuners.ODD}]",
        "through": "add_adapter",
        "head": "CausalLM",
    }
    yield _cell(
        "through",
        "llama",
        "lora",
        "active(fr)",
        suffix="own-tokens",
        history=["set(de)", "set(fr)"],
        **tokens,
    )
    yield _cell(
        "through", "llama", "lora", "active(de)", suffix="own-tokens-off", history=["disable"], **tokens
    )
    mixes = (("lora", "lokr"), ("lora", "loha"), ("oft", "lora"), ("loha", "lokr"))
    for one, two in mixes:
        second = _same(two, "bert")
        mixed = {"through": "PeftMixedModel", "other": second}
        yield _cell(
            "through",
            "bert",
            one,
            "active(fr,de)",
            suffix=f"{two}-merge",
            history=["merge", "unmerge"],
            **mixed,
        )
        yield _cell(
            "through",
            "bert",
            one,
            "active(fr)",
            suffix=f"{two}-switch",
            history=["set(de)", "disable", "enable"],
            **mixed,
        )
    yield _cell("through", "bert", "lora", "mixed(fr,de)", through="PeftMixedModel", suffix="mixed")


def _old() -> Iterator[Spec]:
    """Tuners, or arguments, that only older releases take."""
    for tuner in ("oft-old", "bone", "bone-bat"):
        yield _cell("old", "bert", tuner, "mixed(fr,de,__base__)", suffix="mixed")
        yield _cell("old", "bert", tuner, "active(fr,de)", suffix="both", history=["merge", "unmerge"])
        yield _cell(
            "old", "llama", tuner, "active(fr)", suffix="life", history=["set(de)", "merge", "save_load"]
        )
