"""What models are called with, against what they make of labels themselves."""

from typing import Any

import pytest
import torch
from transformers import (
    BlenderbotConfig,
    BlenderbotForConditionalGeneration,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MBartConfig,
    MBartForConditionalGeneration,
    PreTrainedModel,
)

from limbeck.batch import IGNORED
from limbeck.distill.task import model_inputs
from tests.distill.toys import seq2seq

SIZES: dict[str, Any] = {
    "vocab_size": 20,
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
    "max_position_embeddings": 16,
    "decoder_start_token_id": 2,
    "pad_token_id": 1,
}
MODELS = {
    "t5": seq2seq,
    "mbart": lambda: MBartForConditionalGeneration(MBartConfig(**SIZES)),
    "m2m100": lambda: M2M100ForConditionalGeneration(M2M100Config(**SIZES)),
    "blenderbot": lambda: BlenderbotForConditionalGeneration(BlenderbotConfig(**SIZES)),
}


@pytest.mark.parametrize("family", MODELS)
def test_a_decoder_reads_what_its_own_model_would_make_of_the_labels(family: str) -> None:
    torch.manual_seed(0)
    model: PreTrainedModel = MODELS[family]().eval()
    ids, targets = torch.randint(3, 20, (2, 5)), torch.randint(3, 20, (2, 4))
    targets[1, 2:] = IGNORED
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "targets": targets}
    ours = model(**model_inputs(model, "seq2seq", batch)).logits
    own = model(input_ids=ids, attention_mask=batch["attention_mask"], labels=targets).logits
    counted = targets != IGNORED
    torch.testing.assert_close(ours[counted], own[counted])
