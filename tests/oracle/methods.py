"""Adapter configurations the grid draws from, by name, with the release that brought them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A configuration string of ``adapters``; ``limits`` is its option for leaving layers out, if any."""

    config: str
    since: str = "0.2.0"
    limits: str | None = "leave_out"

    def without_layers(self, layers: list[int], depth: int) -> str:
        """Return the configuration with these layers left out (for interventions: the others kept)."""
        if self.limits is None:
            return self.config
        value = layers if self.limits == "leave_out" else [i for i in range(depth) if i not in layers]
        return with_option(self.config, f"{self.limits}={value}".replace(" ", ""))


def with_option(config: str, option: str) -> str:
    """Add one option to a configuration string, in every part of a union."""
    parts = []
    for part in config.split("|"):
        parts.append(f"{part[:-1]},{option}]" if part.endswith("]") else f"{part}[{option}]")
    return "|".join(parts)


MAIN = {
    "lora": Method("lora[r=2]"),
    "ia3": Method("ia3"),
    "vera": Method("vera[r=2]", "1.2.0"),
    "dora": Method("dora[r=2]", "1.3.0"),
    "mtl_lora": Method("mtl_lora[r=2]", "1.2.0"),
    "seq_bn": Method("seq_bn[reduction_factor=4]"),
    "double_seq_bn": Method("double_seq_bn[reduction_factor=4]"),
    "par_bn": Method("par_bn[reduction_factor=4]"),
    "seq_bn_inv": Method("seq_bn_inv[reduction_factor=4]"),
    "compacter": Method("compacter[reduction_factor=4]"),
    "prefix_tuning": Method("prefix_tuning[prefix_length=3,bottleneck_size=8]"),
    "prefix_tuning_flat": Method("prefix_tuning_flat[prefix_length=3]"),
    "prompt_tuning": Method("prompt_tuning[prompt_length=4]", limits=None),
    "loreft": Method("loreft[r=2]", "1.0.0", "layers"),
    "mam": Method("prefix_tuning[prefix_length=3,bottleneck_size=8]|par_bn[reduction_factor=4]"),
    "unipelt": Method("unipelt", limits=None),
}
"""Every model meets each of these in every main block."""

VARIANTS = {
    "lora-qkv": Method("lora[r=3,alpha=6,attn_matrices=['q','k','v']]"),
    "lora-k": Method("lora[r=2,attn_matrices=['k']]"),
    "lora-o": Method("lora[r=2,attn_matrices=['q','o']]", "1.2.0"),
    "lora-ffn": Method("lora[r=2,selfattn_lora=False,intermediate_lora=True,output_lora=True]"),
    "lora-all": Method("lora[r=2,attn_matrices=['q','k','v'],intermediate_lora=True,output_lora=True]"),
    "lora-gated": Method("lora[r=2,use_gating=True]"),
    "lora-scale": Method("lora[r=1,composition_mode='scale',init_weights='ia3']"),
    "lora-bert": Method("lora[r=4,alpha=16,init_weights='bert']"),
    "ia3-gated": Method("ia3[use_gating=True]"),
    "ia3-output": Method("ia3[output_lora=True]"),
    "ia3-alpha": Method("ia3[alpha=2]"),
    "dvora": Method("dvora[r=2]", "1.3.0"),
    "dora-ffn": Method("dora[r=2,intermediate_lora=True,output_lora=True]", "1.3.0"),
    "mtl_lora-up": Method("mtl_lora[r=2,n_up_projection=3]", "1.2.0"),
    "mtl_lora-linear": Method("mtl_lora[r=2,task_specific_matrix_type='linear']", "1.2.0"),
    "seq_bn-ln": Method("seq_bn[reduction_factor=4,ln_before=True,ln_after=True]"),
    "seq_bn-gated": Method("seq_bn[reduction_factor=4,use_gating=True]"),
    "seq_bn-no-ln": Method("seq_bn[reduction_factor=4,original_ln_before=False]"),
    "seq_bn-post": Method("seq_bn[reduction_factor=4,residual_before_ln='post_add']"),
    "scaled_par_bn": Method("scaled_par_bn[reduction_factor=4]"),
    "par_bn-channel": Method("par_bn[reduction_factor=4,scaling='channel']"),
    "double_seq_bn_inv": Method("double_seq_bn_inv[reduction_factor=4]"),
    "compacter++": Method("compacter++[reduction_factor=4]"),
    "prefix_tuning-gated": Method("prefix_tuning[prefix_length=3,bottleneck_size=8,use_gating=True]"),
    "prefix_tuning-long": Method("prefix_tuning[prefix_length=5,bottleneck_size=8]"),
    "prefix_tuning-encoder": Method("prefix_tuning[prefix_length=3,bottleneck_size=8,cross_prefix=False]"),
    "prompt_tuning-bos": Method("prompt_tuning[prompt_length=4,combine='prefix_after_bos']", limits=None),
    "noreft": Method("noreft[r=2,prefix_positions=2,suffix_positions=1]", "1.0.0", "layers"),
    "direft": Method("direft[r=2,prefix_positions=1,suffix_positions=2]", "1.0.0", "layers"),
    "loreft-tied": Method(
        "loreft[r=2,prefix_positions=2,suffix_positions=2,tied_weights=True]", "1.0.0", "layers"
    ),
    "mam-default": Method("mam"),
    "lora-prefix": Method("lora[r=2]|prefix_tuning[prefix_length=3,bottleneck_size=8]"),
    "bn-lora": Method("seq_bn[reduction_factor=4]|lora[r=2]"),
}
"""Switches of the methods; sampled."""

METHODS = MAIN | VARIANTS


def available(release: str) -> dict[str, Method]:
    """Methods a release knows."""
    return {k: m for k, m in METHODS.items() if _version(m.since) <= _version(release)}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def at_least(release: str, since: str) -> bool:
    """Return whether a release is as new as another."""
    return _version(release) >= _version(since)
