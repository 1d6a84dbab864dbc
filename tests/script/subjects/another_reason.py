"""Dies of something that is no fault of a composition: of its own data, or of tokens that are none."""

import sys

import adapters
import torch
from adapters.composition import Parallel
from transformers import BertConfig, BertModel

model = BertModel(
    BertConfig(
        num_hidden_layers=2, hidden_size=32, num_attention_heads=4, intermediate_size=48, vocab_size=96
    )
)
adapters.init(model)
for name in "ab":
    model.add_adapter(name, config="seq_bn")
model.active_adapters = Parallel("a", "b")


def batch(row):
    """The tokens of a row of the data."""
    try:
        return {"first": torch.full((3, 7), 999)}[row]
    except KeyError as error:
        raise ValueError("there is no such row") from error


model(batch(sys.argv[1]))
