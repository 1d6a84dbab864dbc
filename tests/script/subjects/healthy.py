"""Nothing is wrong: what it prints, returns and leaves must be the same under `adapter-audit run`."""

import atexit
import sys

import adapters
import torch
from adapters.composition import Parallel
from transformers import BertConfig, BertModel

atexit.register(print, "the exit handler ran")
torch.manual_seed(0)
model = BertModel(
    BertConfig(
        num_hidden_layers=2, hidden_size=32, num_attention_heads=4, intermediate_size=48, vocab_size=96
    )
)
adapters.init(model)
for name in "ab":
    model.add_adapter(name, config="seq_bn")
model.active_adapters = Parallel("a", "b")
for _ in range(3):
    print(model(torch.randint(0, 96, (3, 7))).last_hidden_state.sum().item())
print(sys.argv, __name__, __file__, sys.path[0], sorted(vars())[:4])
print("a word on stderr", file=sys.stderr)
sys.exit(7 if "--fail" in sys.argv else 0)
