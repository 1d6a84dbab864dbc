"""A loop of transformers' Trainer; `python trainer_loop.py CONFIG`."""

import sys
import tempfile

import adapters
import torch
from adapters import AdapterTrainer
from adapters.composition import Parallel
from transformers import BertConfig, BertForSequenceClassification, T5Config, TrainingArguments
from transformers import T5ForConditionalGeneration as T5

SIZES = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}


def make(kind):
    """A model, and examples with labels."""
    torch.manual_seed(0)
    ids = torch.randint(2, 96, (6, 7))
    if kind == "bert":
        model = BertForSequenceClassification(BertConfig(vocab_size=96, **SIZES))
        return model, [{"input_ids": row, "labels": torch.tensor(0)} for row in ids]
    config = T5Config(
        d_model=32, d_kv=8, d_ff=48, num_heads=4, num_layers=2, vocab_size=96, decoder_start_token_id=0
    )
    return T5(config), [{"input_ids": row, "labels": row} for row in ids]


model, examples = make(sys.argv[1])
adapters.init(model)
for name in "ab":
    model.add_adapter(name, config="lora[leave_out=[0]]")
if sys.argv[1] == "bert":
    model.train_adapter("a")
else:
    model.train_adapter(Parallel("a", "b"))
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder, per_device_train_batch_size=3, max_steps=2, report_to=[], use_cpu=True, disable_tqdm=True,
        save_strategy="no", logging_steps=1,
    )  # fmt: skip
    trainer = AdapterTrainer(model=model, args=arguments, train_dataset=examples)
    trainer.model_accepts_loss_kwargs = sys.argv[1] != "parallel" and trainer.model_accepts_loss_kwargs
    trainer.train()
print([round(entry["loss"], 5) for entry in trainer.state.log_history if "loss" in entry])
