"""A model that is taken apart says what it says whole, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.models.heads import take_apart

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "pad_token_id": 0,
}
GPT = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2}


def model(kind: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    sizes = (
        GPT if kind == "GPT2" else {name: value for name, value in SMALL.items() if kind != "Phi" or name != "head_dim"}
    )
    ending = "LMHeadModel" if kind == "GPT2" else "ForCausalLM"
    made = getattr(transformers, f"{kind}{ending}")(getattr(transformers, f"{kind}Config")(**sizes, **changes))
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made.eval()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("GPT2", {}),
        ("Llama", {"tie_word_embeddings": False}),
        ("Phi", {}),  # its head has a bias
        ("Gemma2", {"final_logit_softcapping": 3.0}),
        ("Granite", {"logits_scaling": 8.0}),
        ("Cohere", {"logit_scale": 0.25}),
        ("OPT", {"ffn_dim": 32, "word_embed_proj_dim": 16}),
    ],
)
def test_head_and_body_say_what_the_model_says(kind: str, changes: dict[str, Any]) -> None:
    whole = model(kind, **changes)
    head = take_apart(whole, kind)
    ids = torch.randint(40, (2, 7), generator=torch.Generator().manual_seed(1))
    ids[1, 4:] = 0
    inputs = {"input_ids": ids, "attention_mask": (ids != 0).long(), "use_cache": False}
    with torch.no_grad():
        torch.testing.assert_close(head(**inputs).dense(), whole(**inputs).logits, rtol=1e-5, atol=1e-5)


class Shifted(transformers.LlamaForCausalLM):
    """Does to its logits what neither scale nor cap tells."""

    def forward(self, *args: Any, **inputs: Any) -> Any:
        output = super().forward(*args, **inputs)
        output.logits = output.logits.clamp(max=15.0)
        return output


class Doubled(transformers.LlamaForCausalLM):
    """Does not say what its body says when it is asked alone."""

    def forward(self, *args: Any, **inputs: Any) -> Any:
        inputs["input_ids"] = inputs["input_ids"].flip(-1)
        return super().forward(*args, **inputs)


@pytest.mark.parametrize("kind", [Shifted, Doubled])
def test_what_is_no_linear_layer_alone_is_refused(kind: Any) -> None:
    with pytest.raises(LimbeckError, match=f"mine: the logits of a {kind.__name__} are not"):
        take_apart(kind(transformers.LlamaConfig(**SMALL)), "mine")


def test_an_adaptor_on_the_head_is_refused() -> None:
    """It changes nothing before the first step, so that no trial of the values would find it."""
    peft = pytest.importorskip("peft")
    inside, outside = (
        peft.get_peft_model(model("Llama"), peft.LoraConfig(r=2, target_modules=modules))
        for modules in (["q_proj"], ["lm_head"])
    )
    assert take_apart(inside, "mine").body is inside.get_base_model().model
    with pytest.raises(LimbeckError, match="not those of a linear layer alone"):
        take_apart(outside, "mine")
