"""A script without any part of the auditor: is lane i of a Parallel what adapter i gives alone?

Usage: `python plain_lanes.py MODEL_TYPE ADAPTER_CONFIG [B ...]`; prints one line per batch size.
"""

import sys

import adapters
import torch
import transformers
from adapters.composition import Parallel

COMMON = {"vocab_size": 64, "pad_token_id": 0}
CONFIGS = {
    "t5": {
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 48,
        "num_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": 0,
    },
    "llama": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "distilbert": {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4},
}
CONFIGS["mistral"] = CONFIGS["llama"]


def main(model_type: str, adapter: str, sizes: list[int]) -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    config = transformers.AutoConfig.for_model(model_type, **COMMON, **CONFIGS[model_type])
    model = transformers.AutoModel.from_config(config)
    adapters.init(model)
    for name in ("a", "b", "c"):
        model.add_adapter(name, config=adapter)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.double().eval()
    for rows in sizes:
        ids = torch.randint(1, 64, (rows, 7))
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if config.is_encoder_decoder:
            inputs["decoder_input_ids"] = ids[:, :5]
        worst = 0.0
        with torch.no_grad():
            model.active_adapters = Parallel("a", "b", "c")
            together = model(**fresh(inputs)).last_hidden_state
            for lane, name in enumerate(("a", "b", "c")):
                model.active_adapters = name
                alone = model(**fresh(inputs)).last_hidden_state
                mine = together[lane * rows : (lane + 1) * rows]
                assert mine.shape == alone.shape, f"{mine.shape} is not {alone.shape}"
                worst = max(worst, float((mine - alone).abs().max()))
        assert worst < 1e-5, f"B={rows}: lanes differ by {worst}"
        print(f"B={rows} differs by {worst:.1e}")


def fresh(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copies: old releases replicate the caller's mask in place, which is another bug."""
    return {name: value.clone() for name, value in inputs.items()}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(b) for b in sys.argv[3:]] or [1, 2, 3, 4])
