"""Translating a batch a token at a time: all that the search knows of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.models.ikd_mmt.decoder import BeamCache
from limbeck.models.ikd_mmt.encoder import EncoderOutput

if TYPE_CHECKING:
    from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation


class Decoding(Protocol):
    """A batch in translation; its rows are the beams of its sentences, sentence by sentence."""

    def step(self, newest: Int[Tensor, "sentences beams"]) -> Float[Tensor, "rows vocab"]:
        """Add a token to every row; gives the logits of the next."""

    def select(self, parents: Int[Tensor, "kept beams"], kept: Int[Tensor, " kept"] | None) -> None:
        """Go on with other rows.

        Args:
            parents: For each row of the next step, the row of the last one that it continues.
            kept: The sentences that stay in the batch; ``None`` keeps all.
        """


class Searchable(Protocol):
    """A model that a translation can be searched with, whatever computes it."""

    config: Any  # an IKDMMTConfig; `transformers` declares a wider type
    training: bool

    @property
    def device(self) -> torch.device:
        """Where inputs belong."""

    def eval(self) -> object:
        """Leave training mode."""

    def begin(
        self,
        input_ids: Int[Tensor, "b s"],
        visual_features: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> Decoding:
        """Encode sentences, padded on the right; nothing of their translations is there yet."""


class TorchDecoding:
    """The model's own decoder with its cache.

    Args:
        model: The model, in eval mode.
        encoded: The batch's sentences.
    """

    def __init__(self, model: IKDMMTForTranslation, encoded: EncoderOutput) -> None:
        self.model, self.encoded = model, encoded
        self.cache = BeamCache()
        self.length = 0

    def step(self, newest: Int[Tensor, "sentences beams"]) -> Float[Tensor, "rows vocab"]:
        """Add a token to every row; gives the logits of the next."""
        states = self.model.decode(newest.view(-1, 1), self.encoded, self.cache, self.length)[:, -1]
        self.length += 1
        return self.model.project(states).float()

    def select(self, parents: Int[Tensor, "kept beams"], kept: Int[Tensor, " kept"] | None) -> None:
        """Go on with other rows; see :class:`Decoding`."""
        self.cache.reorder(parents.flatten())
        if kept is None:
            return
        self.cache.keep_sentences(kept)
        assert self.encoded.last_hidden_state is not None
        assert self.encoded.mask is not None
        self.encoded = EncoderOutput(
            last_hidden_state=self.encoded.last_hidden_state[kept],
            mask=self.encoded.mask[kept],
        )
