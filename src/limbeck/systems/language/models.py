"""Tiny language models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.modeling_outputs import CausalLMOutput

from limbeck.errors import LimbeckError
from limbeck.models.generation import continuations, ended
from limbeck.world.language.vocabulary import Vocabulary

LONGEST = 64
"""Tokens that a model reads at most."""


@dataclass(frozen=True)
class Shape:
    """The size of a tiny GPT.

    Args:
        width: Of its hidden states.
        layers: How many.
        heads: Of each attention.
        family: A GPT, or a recurrent network, which has no heads.

    Raises:
        LimbeckError: The heads do not divide the width, or a number is less than 1.

    Example:
        >>> Shape(7, heads=2)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: width 7: does not go with 2 heads; possible: 6, 8 and other multiples of 2
    """

    width: int
    layers: int = 1
    heads: int = 2
    family: Literal["gpt", "gru"] = "gpt"

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads"):
            if getattr(self, name) < 1:
                raise LimbeckError(f"{name}: got {getattr(self, name)}, must be at least 1")
        if self.family == "gpt" and self.width % self.heads:
            below = self.width // self.heads * self.heads
            near = ", ".join(str(width) for width in (below, below + self.heads) if width)
            told = f"does not go with {self.heads} heads; possible: {near} and other multiples of {self.heads}"
            raise LimbeckError(f"width {self.width}: {told}")


class TinyGRU(nn.Module):
    """A recurrent language model that is called like one of `transformers`, and gives logits alone.

    Args:
        shape: Its size.
        words: How many words it knows.
    """

    def __init__(self, shape: Shape, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, shape.width)
        self.recurrence = nn.GRU(shape.width, shape.width, shape.layers, batch_first=True)
        self.head = nn.Linear(shape.width, words, bias=False)
        self.head.weight = self.embedding.weight
        nn.init.normal_(self.embedding.weight, std=0.02)

    def forward(self, input_ids: Tensor, **_: Any) -> CausalLMOutput:
        """Logits; padding on the right changes nothing before it."""
        states, _ = self.recurrence(self.embedding(input_ids))
        return CausalLMOutput(logits=self.head(states))


def tiny_model(shape: Shape, vocabulary: Vocabulary) -> Any:
    """A language model of a shape, with weights from the current random state."""
    return tiny_gpt(shape, vocabulary) if shape.family == "gpt" else TinyGRU(shape, len(vocabulary))


def tiny_gpt(shape: Shape, vocabulary: Vocabulary) -> Any:
    """A GPT-2 of a shape, with weights from the current random state; without dropout.

    Example:
        >>> import torch
        >>> from limbeck.world.language import vocabulary
        >>> model = tiny_gpt(Shape(16), vocabulary())
        >>> model(input_ids=torch.tensor([[1, 5, 7]])).logits.shape[-1] == len(vocabulary())
        True
    """
    config = GPT2Config(
        vocab_size=len(vocabulary),
        n_positions=LONGEST,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=vocabulary.start,
        eos_token_id=vocabulary.end,
        pad_token_id=vocabulary.pad,
    )
    return GPT2LMHeadModel(config)


def write(
    model: Any, prompts: list[list[int]], *, seed: int, sample: bool = True, top_k: int = 0, most: int = 40
) -> list[list[int]]:
    """Let a model go on with prompts.

    Args:
        model: In any mode; it writes in eval mode.
        prompts: Ids that it is given, at least one each.
        seed: Of the drawing.
        sample: Draw from the distribution; off takes the likeliest word each time.
        top_k: Draw among the likeliest words only; 0 is among all.
        most: Words at most.

    Returns:
        What it wrote, without the prompt, up to the end and with it; without an end where it came to none.
    """
    room = LONGEST - max(map(len, prompts))
    how = {"do_sample": sample, "max_new_tokens": min(most, room), **({"top_k": top_k} if sample else {})}
    written = continuations(model, prompts, pad=model.config.pad_token_id, seed=seed, **how)
    return [ended(ids, {model.config.eos_token_id}) for ids in written]
