"""A small language model that reads demonstrations, and a distiller that makes a few vectors of them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

from limbeck.systems.incontext.tasks import DEMONSTRATIONS, TOKENS

LLM_WIDTH, DISTILLER_WIDTH = 96, 64


def _config(width: int, layers: int) -> GPT2Config:
    return GPT2Config(
        vocab_size=TOKENS,
        n_positions=32,
        n_embd=width,
        n_layer=layers,
        n_head=4,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own function, in one kernel
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )


@torch.no_grad()
def _spread(model: GPT2Model) -> None:
    """Put words far apart, so that they are told apart from the first steps on."""
    model.wte.weight.normal_(std=0.3)


class InContextReader(nn.Module):
    """A GPT that answers questions by what stands before them."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Any = GPT2LMHeadModel(_config(LLM_WIDTH, 3))
        _spread(self.model.transformer)

    def embed(self, words: Int[Tensor, "b words"]) -> Float[Tensor, "b words width"]:
        """The embeddings of words."""
        return self.model.transformer.wte(words)

    def answer(
        self, before: Float[Tensor, "b vectors width"], questions: Int[Tensor, "b words"]
    ) -> Float[Tensor, "b words vocab"]:
        """Logits at the places of questions and answers, with any vectors before them."""
        logits: Tensor = self.model(inputs_embeds=torch.cat([before, self.embed(questions)], dim=1)).logits
        return logits[:, before.shape[1] :]

    def forward(
        self, demonstrations: Int[Tensor, "b demonstrations"], questions: Int[Tensor, "b words"]
    ) -> Float[Tensor, "b words vocab"]:
        """Logits at the places of questions and answers, with demonstrations before them.

        In training a random number of the demonstrations is shown, none too, so that questions come at every place.
        """
        if self.training:
            demonstrations = demonstrations[:, : int(torch.randint(0, DEMONSTRATIONS + 1, ()))]
        return self.answer(self.embed(demonstrations), questions)


class Distiller(nn.Module):
    """Makes a few vectors of demonstrations, and lets a frozen language model answer with them before the question.

    Its input is the demonstrations and then ``vectors`` learnt vectors, at whose places its last states are taken;
    ``tanh`` of a linear map takes them to the model's width.

    Args:
        reader: The language model; its weights are not trained.
        vectors: How many.
    """

    def __init__(self, reader: InContextReader, vectors: int) -> None:
        super().__init__()
        self.reader = reader.requires_grad_(False)
        self.encoder: Any = GPT2Model(_config(DISTILLER_WIDTH, 2))
        _spread(self.encoder)
        self.queries = nn.Parameter(0.3 * torch.randn(vectors, DISTILLER_WIDTH))
        self.adapter = nn.Sequential(nn.Linear(DISTILLER_WIDTH, LLM_WIDTH), nn.Tanh())

    def distil(self, demonstrations: Int[Tensor, "b demonstrations"]) -> Float[Tensor, "b vectors width"]:
        """The vectors."""
        read = self.encoder.wte(demonstrations)
        queries = self.queries.expand(len(read), -1, -1)
        states = self.encoder(inputs_embeds=torch.cat([read, queries], dim=1)).last_hidden_state
        return self.adapter(states[:, -len(self.queries) :])

    def forward(
        self, demonstrations: Int[Tensor, "b demonstrations"], questions: Int[Tensor, "b words"]
    ) -> Float[Tensor, "b words vocab"]:
        """Logits at the places of questions and answers."""
        return self.reader.answer(self.distil(demonstrations), questions)


class SoftPrompts(nn.Module):
    """Vectors of one prompt each, as prompt tuning trains them.

    Args:
        reader: The language model; its weights are not trained.
        prompts: How many prompts.
        vectors: How many vectors each.
    """

    def __init__(self, reader: InContextReader, prompts: int, vectors: int) -> None:
        super().__init__()
        self.reader = reader.requires_grad_(False)
        self.vectors = nn.Parameter(0.3 * torch.randn(prompts, vectors, LLM_WIDTH))

    def forward(self, rows: Int[Tensor, " b"], questions: Int[Tensor, "b words"]) -> Float[Tensor, "b words vocab"]:
        """Logits at the places of questions and answers, for prompts of these numbers."""
        return self.reader.answer(self.vectors[rows], questions)
