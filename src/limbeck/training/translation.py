"""Training a translator, alone or beside what pictures teach it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from limbeck.batch import IGNORED, Batch
from limbeck.losses.chunked import chunked_linear_sum
from limbeck.losses.cross_entropy import smoothed_cross_entropy
from limbeck.losses.divergence import jeffreys_divergence
from limbeck.losses.term import Term
from limbeck.methods.base import Method
from limbeck.models.ikd_mmt.encoder import EncoderOutput
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.signals import Signals
from limbeck.training.task import Task


class TranslationTask(Task):
    """Cross-entropy with label smoothing, R-Drop where wished, and the terms of a method.

    Args:
        model: The translator.
        method: What pictures teach it; its weights are taken over.
        smoothing: Of the labels.
        rdrop: Weight of the divergence between two passes with different dropout; 0 makes one pass only. In eval mode
            there is no dropout and so always one pass.
        pictures: At most so many pictures a batch go through the lower maps of the inverse network and, for KD-2,
            through the vision network; the top map is compared for all. ``None`` takes all.

    Example:
        >>> from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
        >>> model = IKDMMTForTranslation(IKDMMTConfig(vocab_size=50, d_model=16, num_heads=2, ffn_dim=32))
        >>> batch = {"input_ids": torch.tensor([[5, 6, 2]]), "labels": torch.tensor([[7, 8, 2]])}
        >>> int(TranslationTask(model)(batch)["translation"].count)
        3
    """

    def __init__(
        self,
        model: IKDMMTForTranslation,
        method: Method | None = None,
        *,
        smoothing: float = 0.1,
        rdrop: float = 0.0,
        pictures: int | None = None,
    ) -> None:
        weights: Mapping[str, float] = {"translation": 1.0} | dict(method.weights if method is not None else {})
        super().__init__(weights)
        self.model = model
        self.method = method
        self.smoothing = smoothing
        self.rdrop = rdrop
        self.pictures = pictures

    def forward(self, batch: Batch) -> dict[str, Term]:
        """``translation`` (its count: target tokens) and the method's terms."""
        ids, labels = batch["input_ids"], batch["labels"]
        views = 2 if self.rdrop and self.training else 1
        ids, inputs = _repeat(ids, views), _repeat(self.model.shift_right(labels), views)
        encoded = self.model.encoder(ids, None, *self._given(batch, len(ids), views))
        states = self.model.decode(inputs, encoded)
        terms = {"translation": self._translation(states, labels, views)}
        if self.method is not None:
            terms |= self.method(self._student(encoded, batch), Signals(hidden=batch["maps"]), batch)
        return terms

    def _translation(self, states: Tensor, labels: Tensor, views: int) -> Term:
        counted = labels != IGNORED
        right = labels[counted]
        kept = torch.stack([part[counted] for part in states.chunk(views)])

        def loss(logits: Tensor, at: slice) -> Tensor:
            parts = [smoothed_cross_entropy(view, right[at], self.smoothing).total for view in logits]
            total = torch.stack(parts).sum() / views
            return total + self.rdrop * jeffreys_divergence(logits[0], logits[1]).total if views == 2 else total

        total = chunked_linear_sum(kept, self.model.get_input_embeddings().weight, loss)
        return Term(total, total.new_tensor(float(len(right))))

    def _given(self, batch: Batch, rows: int, views: int) -> tuple[Tensor | None, Tensor | None]:
        """Top maps and which sentences have one, where the model reads pictures."""
        if self.model.config.visual != "given":
            return None, None
        present, top = batch["present"], batch["maps"][self.model.config.maps[-1].name]
        features = top.new_zeros(len(present), *top.shape[1:])
        features[present] = top
        return _repeat(features, views), _repeat(present, views)

    def _student(self, encoded: EncoderOutput, batch: Batch) -> Signals:
        """What the model says of those sentences that have a picture; of a first pass only."""
        assert self.method is not None
        present = batch["present"]
        needed = self.method.needs.student_hidden
        if self.model.imagine is not None:
            vector = self.model.imagined(encoded)[: len(present)][present]
            return Signals(hidden={"vector": vector})
        assert encoded.top_map is not None
        assert self.model.encoder.inverse is not None
        top = encoded.top_map[: len(present)][present]
        name = self.model.config.maps[-1].name
        if set(needed) <= {name}:
            return Signals(hidden={name: top})
        maps = self.model.encoder.inverse.down(top[: self.pictures])
        return Signals(hidden={**maps, name: top})


def _repeat(values: Tensor, views: int) -> Tensor:
    return values if views == 1 else torch.cat([values] * views)
