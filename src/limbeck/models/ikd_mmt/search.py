"""Batched beam search with a key/value cache: the same hypotheses as ``generate()``, with less work.

The beams of a sentence share its cross-attention, finished sentences leave the batch, and the best continuations are
found a beam at a time, without sorting the whole vocabulary of all beams.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.incremental import Decoding, Searchable

IMPOSSIBLE = -1.0e9


@dataclass(frozen=True)
class SearchOptions:
    """How to search for a translation.

    Args:
        beams: Hypotheses kept a sentence; 1 is greedy search.
        length_penalty: A hypothesis is scored by its log-probability over its length to this power.
        early_stopping: Stop a sentence as soon as ``beams`` hypotheses have ended, even if a running one could still
            be better.
        max_ratio: Longest translation, as a multiple of the source's tokens ...
        max_extra: ... plus this many.

    Raises:
        ValueError: If a number is out of range.
    """

    beams: int = 5
    length_penalty: float = 1.0
    early_stopping: bool = False
    max_ratio: float = 2.0
    max_extra: int = 10

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise ValueError(f"beams must be at least 1, got {self.beams}")
        if self.max_ratio < 0 or self.max_extra < 1:
            raise ValueError(f"max_ratio must be >= 0 and max_extra >= 1, got {self.max_ratio} and {self.max_extra}")

    def limits(self, lengths: Tensor) -> Tensor:
        """The most tokens (the end of sentence included) that each translation may have."""
        return (lengths * self.max_ratio).long() + self.max_extra


@dataclass(frozen=True)
class Hypothesis:
    """A translation's tokens (without start and end) and its score: log-probability over length to the penalty."""

    tokens: list[int]
    score: float


@torch.inference_mode()
def search(
    model: Searchable,
    input_ids: Int[Tensor, "b s"],
    options: SearchOptions | None = None,
    *,
    visual_features: Tensor | None = None,
    visual_mask: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Translate a batch.

    Args:
        model: The model, in eval mode.
        input_ids: Source tokens, padded on the right.
        options: How to search; by default beam 5.
        visual_features: Top maps of real pictures, for a model with ``visual="given"``.
        visual_mask: True where a sentence has a picture.

    Returns:
        For each sentence its hypotheses, best first (one with greedy search).

    Raises:
        ValueError: If the model is in training mode: dropout would make the search meaningless.
    """
    if model.training:
        raise ValueError("the model is in training mode; call model.eval() before searching")
    options = options or SearchOptions()
    decoding = model.begin(input_ids, visual_features, visual_mask)
    limits = options.limits(input_ids.ne(model.config.pad_token_id).sum(1))
    if options.beams == 1:
        return _greedy(model.config, decoding, limits, options)
    return _BeamSearch(model.config, decoding, limits, options).run()


def _greedy(config: IKDMMTConfig, decoding: Decoding, limits: Tensor, options: SearchOptions) -> list[list[Hypothesis]]:
    rows = len(limits)
    newest = torch.full((rows, 1), config.decoder_start_token_id, device=limits.device)
    total = torch.zeros(rows, device=limits.device)
    open_rows = torch.ones(rows, dtype=torch.bool, device=limits.device)
    tokens: list[Tensor] = []
    kept: list[Tensor] = []
    for step in range(int(limits.max())):
        best, newest = decoding.step(newest, 1)
        total += torch.where(open_rows, best.squeeze(1), 0.0)
        ended = newest.squeeze(1) == config.eos_token_id
        tokens.append(newest.squeeze(1))
        kept.append(open_rows & ~ended)
        open_rows = open_rows & ~ended & (limits > step + 1)
        if not open_rows.any():
            break
    table, keep = torch.stack(tokens, 1).cpu(), torch.stack(kept, 1).cpu()
    found = []
    for row, mask, score, limit in zip(table, keep, total.tolist(), limits.tolist(), strict=True):
        words = row[mask].tolist()
        found.append([Hypothesis(words, score / min(len(words) + 1, limit) ** options.length_penalty)])
    return found


class _BeamSearch:
    """One batch's search; tensors are ``(open sentences, beams, ...)`` and shrink as sentences finish."""

    def __init__(self, config: IKDMMTConfig, decoding: Decoding, limits: Tensor, options: SearchOptions) -> None:
        self.config, self.decoding, self.limits, self.options = config, decoding, limits, options
        sentences, beams, device = len(limits), options.beams, limits.device
        self.results: list[list[Hypothesis]] = [[] for _ in range(sentences)]
        self.sentence = torch.arange(sentences, device=device)
        shape = (sentences, beams)
        self.tokens = torch.zeros((*shape, 0), dtype=torch.long, device=device)
        self.newest = torch.full((sentences, beams), config.decoder_start_token_id, device=device)
        # All beams start equal, so only the first may be continued in the first step.
        self.scores = torch.full(shape, IMPOSSIBLE, device=device)
        self.scores[:, 0] = 0.0
        self.ended_scores = torch.full(shape, IMPOSSIBLE, device=device)
        self.ended = torch.zeros(shape, dtype=torch.bool, device=device)
        self.ended_tokens = torch.zeros((*shape, 0), dtype=torch.long, device=device)

    def run(self) -> list[list[Hypothesis]]:
        """Search until no sentence is open."""
        step = 0
        while len(self.sentence):
            parents = self._advance(step)
            kept = self._close_finished(step + 1)
            self.decoding.select(parents if kept is None else parents[kept], kept)
            step += 1
        return self.results

    def _advance(self, step: int) -> Tensor:
        """Continue every sentence by a token; gives the rows that its beams come from."""
        scores, parents, newest = self._continuations()
        ends = (newest == self.config.eos_token_id) | (self.limits <= step + 1).unsqueeze(1)
        candidates = torch.cat([_gather(self.tokens, parents), newest.unsqueeze(-1)], dim=-1)
        self._keep_ended(scores, candidates, ends, step + 1)

        running, chosen = (scores + ends * IMPOSSIBLE).topk(self.options.beams, dim=1)
        self.scores, self.tokens, self.newest = running, _gather(candidates, chosen), newest.gather(1, chosen)
        parents = parents.gather(1, chosen)
        return torch.arange(len(parents), device=parents.device).unsqueeze(1) * self.options.beams + parents

    def _continuations(self) -> tuple[Tensor, Tensor, Tensor]:
        """The ``2 * beams`` best continuations of each sentence: scores, parent beams and tokens.

        Twice as many as beams, so that enough remain where the best ones end.
        """
        beams = self.options.beams
        width = min(2 * beams, self.config.vocab_size)
        best, tokens = self.decoding.step(self.newest, width)
        total = self.scores.unsqueeze(-1) + best.view(-1, beams, width)
        scores, flat = total.flatten(1).topk(2 * beams, dim=1)
        return scores, flat // width, tokens.view(len(total), -1).gather(1, flat)

    def _keep_ended(self, scores: Tensor, candidates: Tensor, ends: Tensor, length: int) -> None:
        """Merge hypotheses that have just ended among the best ``beams`` into the sentence's list."""
        beams = self.options.beams
        scored = scores / length**self.options.length_penalty
        scored = scored.masked_fill(~ends, IMPOSSIBLE)
        scored[:, beams:] = IMPOSSIBLE
        grown = torch.nn.functional.pad(self.ended_tokens, (0, candidates.shape[-1] - self.ended_tokens.shape[-1]))
        ended = torch.cat([self.ended, ends & (scored > IMPOSSIBLE)], dim=1)
        self.ended_scores, chosen = torch.cat([self.ended_scores, scored], dim=1).topk(beams, dim=1)
        self.ended = ended.gather(1, chosen)
        self.ended_tokens = _gather(torch.cat([grown, candidates], dim=1), chosen)

    def _close_finished(self, length: int) -> Tensor | None:
        """Take out sentences that no running hypothesis can improve, or that reached their longest length.

        Returns:
            The places of those that stay, if any was taken out.
        """
        best_running = self.scores[:, 0] / length**self.options.length_penalty
        worst_ended = torch.where(self.ended, self.ended_scores, IMPOSSIBLE).min(dim=1).values
        done = (best_running <= worst_ended) | (self.limits <= length)
        if self.options.early_stopping:
            done |= self.ended.all(dim=1)
        if not done.any():
            return None
        for index in done.nonzero().flatten().tolist():
            self.results[int(self.sentence[index])] = self._hypotheses(index)
        keep = (~done).nonzero().flatten()
        for name in ("limits", "sentence", "tokens", "newest", "scores", "ended_scores", "ended", "ended_tokens"):
            setattr(self, name, getattr(self, name)[keep])
        return keep

    def _hypotheses(self, index: int) -> list[Hypothesis]:
        eos = self.config.eos_token_id
        hypotheses = []
        for tokens, score in zip(self.ended_tokens[index].tolist(), self.ended_scores[index].tolist(), strict=True):
            if math.isclose(score, IMPOSSIBLE):
                continue
            end = tokens.index(eos) if eos in tokens else len(tokens)
            hypotheses.append(Hypothesis(tokens[:end], score))
        return hypotheses


def _gather(values: Tensor, beams: Tensor) -> Tensor:
    """Pick beams: ``values`` is ``(sentences, beams, length)``, ``beams`` is ``(sentences, chosen)``."""
    return values.gather(1, beams.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
