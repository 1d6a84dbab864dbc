"""Every tuner of the grid as text, sized for tiny models; what a release does not have is `absent` there."""

from __future__ import annotations

from .models import Model

LORA = {
    "lora": "lora[r=4,target_modules=[{all}]]",
    "rslora": "lora[r=4,use_rslora=True,target_modules=[{all}]]",
    "dora": "lora[r=4,use_dora=True,target_modules=[{all}]]",
    "pissa": "lora[r=4,init_lora_weights=pissa,target_modules=[{all}]]",
    "olora": "lora[r=4,init_lora_weights=olora,target_modules=[{all}]]",
    "lora-pattern": "lora[r=4,rank_pattern={{'{first}': 6}},alpha_pattern={{'{first}': 3}}"
    ",target_modules=[{all}]]",
    "lora-bias": "lora[r=4,lora_bias=True,target_modules=[{all}]]",
    "lora-embedding": "lora[r=4,target_modules=[{first},{embedding}]]",
}
"""LoRA and its variants."""
LAYERS = {
    "ia3": "ia3[target_modules=[{all}],feedforward_modules=[{last}]]",
    "adalora": "adalora[init_r=4,target_r=2,total_step=100,target_modules=[{all}]]",
    "oft": "oft[r=0,oft_block_size=8,target_modules=[{all}]]",
    "oft-old": "oft[r=4,init_weights=True,target_modules=[{all}],module_dropout=0.0]",
    "boft": "boft[boft_block_size=4,target_modules=[{all}]]",
    "vera": "vera[r=8,target_modules=[{all}]]",
    "pvera": "pvera[r=8,target_modules=[{all}]]",
    "loha": "loha[r=4,target_modules=[{all}]]",
    "lokr": "lokr[r=4,target_modules=[{all}]]",
    "fourierft": "fourierft[n_frequency=40,target_modules=[{all}]]",
    "waveft": "waveft[n_frequency=40,target_modules=[{all}]]",
    "hra": "hra[r=4,target_modules=[{all}]]",
    "vblora": "vblora[r=2,num_vectors=12,vector_length=8,target_modules=[{all}]]",
    "bone": "bone[r=4,target_modules=[{all}]]",
    "bone-bat": "bone[r=4,init_weights=bat,target_modules=[{square}]]",
    "miss": "miss[r=4,target_modules=[{all}]]",
    "miss-bat": "miss[r=4,init_weights=bat,target_modules=[{square}]]",
    "randlora": "randlora[r=4,target_modules=[{all}]]",
    "c3a": "c3a[block_size=8,target_modules=[{all}]]",
    "road": "road[group_size=8,target_modules=[{all}]]",
    "road-4": "road[group_size=8,variant=road_4,target_modules=[{all}]]",
    "shira": "shira[r=2,random_seed=7,target_modules=[{all}]]",
    "ln_tuning": "ln_tuning[target_modules=[{norms}]]",
    "trainable_tokens": "trainable_tokens[token_indices=[{tokens}],target_modules=[{embedding}]]",
    "delora": "delora[r=4,delora_lambda=2,target_modules=[{all}]]",
    "gralora": "gralora[r=4,gralora_k=2,alpha=8,target_modules=[{all}]]",
    "hira": "hira[r=4,target_modules=[{all}]]",
    "glora": "glora[r=4,target_modules=[{all}]]",
    "deft": "deft[r=4,target_modules=[{all}]]",
    "lily": "lily[r=4,target_modules=[{square}]]",
    "psoft": "psoft[r=4,psoft_alpha=4,target_modules=[{all}]]",
    "tinylora": "tinylora[r=2,u=8,target_modules=[{all}]]",
    "unilora": "unilora[r=2,theta_d_length=32,target_modules=[{all}]]",
    "frod": "frod[sparse_rate=0.1,progressbar=False,target_modules=[{all}]]",
    "adamss": "adamss[r=8,num_subspaces=2,subspace_rank=2,target_modules=[{all}]]",
    "peanut": "peanut[r=4,target_modules=[{all}]]",
    "beft": "beft[target_modules=[{all}]]",
    "osf": "osf[effective_rank=16,target_modules=[{all}]]",
    "supertuning": "supertuning[sparsity=0.9,target_modules=[{all}]]",
    "poly": "poly[r=4,n_tasks=2,n_skills=2,target_modules=[{all}]]",
}
"""Tuners that replace layers."""
PROMPTS = {
    "prompt_tuning": "prompt_tuning[num_virtual_tokens=3]",
    "prefix_tuning": "prefix_tuning[num_virtual_tokens=3]",
    "prefix-projected": "prefix_tuning[num_virtual_tokens=3,prefix_projection=True,encoder_hidden_size=16]",
    "p_tuning": "p_tuning[num_virtual_tokens=3,encoder_hidden_size=16]",
    "multitask_prompt_tuning": "multitask_prompt_tuning[num_virtual_tokens=3,num_tasks=2]",
    "cartridge": "cartridge[num_virtual_tokens=3]",
    "adaption_prompt": "adaption_prompt[adapter_len=3,adapter_layers=2]",
}
"""Tuners that put something before the input or into the cache."""
ALL = LORA | LAYERS | PROMPTS
EVEN, ODD = (",".join(str(t) for t in range(first, 61, 2)) for first in (4, 3))
"""Token ids that are trained: so many that every row of a batch has some."""
TWINS = {"r=4": "r=2", "block_size=8": "block_size=4", "n_frequency=40": "n_frequency=30"}
"""How the second adapter of a pair differs, beside its weights, where the library allows it."""
SAME_SHAPE = ("adalora", "psoft", "unilora", "lily", "randlora", "vblora", "miss-bat", "bone-bat", "poly")


def text(name: str, model: Model, *, tokens: str = EVEN, extra: str = "") -> str:
    """The adapter configuration of one tuner for one model; `extra` adds arguments."""
    written = ALL[name].format(
        all=",".join(model.targets),
        square=",".join(model.square or model.targets),
        first=model.targets[0],
        last=model.targets[-1],
        embedding=model.embedding,
        norms=",".join(model.norms),
        tokens=tokens,
    )
    return written[:-1] + ("," + extra if extra else "") + "]"
