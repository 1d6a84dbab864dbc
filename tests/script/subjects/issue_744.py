"""What the reporter of adapters issue 744 ran: five LoRAs side by side in a T5, in a context."""

import adapters
import torch
from adapters.composition import Parallel
from transformers import T5Config, T5ForConditionalGeneration

NAMES = ["one", "two", "three", "four", "five"]

model = T5ForConditionalGeneration(
    T5Config(d_model=32, d_kv=8, d_ff=48, num_heads=4, num_layers=2, vocab_size=96, decoder_start_token_id=0)
)
adapters.init(model)
for name in NAMES:
    model.add_adapter(name, config="lora")
model.eval()
tokens = torch.randint(2, 96, (1, 140), generator=torch.Generator().manual_seed(0))
print("ready")
with torch.no_grad(), adapters.AdapterSetup(Parallel(*NAMES)):
    print(model(input_ids=tokens, decoder_input_ids=tokens[:, :3]).logits.shape)
