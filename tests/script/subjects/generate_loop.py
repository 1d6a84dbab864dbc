"""Prompts are answered batch by batch; the parts of the batch were set for three rows, and then come four."""

import adapters
import torch
from adapters.composition import BatchSplit
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(0)
model = GPT2LMHeadModel(
    GPT2Config(n_embd=32, n_head=4, n_layer=2, vocab_size=96, eos_token_id=1, pad_token_id=1)
)
adapters.init(model)
for name in "ab":
    model.add_adapter(name, config="seq_bn")
model.active_adapters = BatchSplit("a", "b", batch_sizes=[2, 1])
for rows in (3, 3, 4):
    prompt = torch.full((rows, 5), 7)
    answer = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=3, do_sample=False)
    print(len(answer))
