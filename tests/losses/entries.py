"""What the truth suite knows of every loss: inputs, a plain float64 reference, and its limit cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limbeck.losses.adaptive import adaptive_kl
from limbeck.losses.cross_entropy import cross_entropy, smoothed_cross_entropy, soft_cross_entropy
from limbeck.losses.dac import dac_kl
from limbeck.losses.decoupled import decoupled_kd, decoupled_temperature_kl, topk_split_kl
from limbeck.losses.direction import norm_and_direction
from limbeck.losses.divergence import forward_kl, jeffreys, jeffreys_divergence, reverse_kl, total_variation
from limbeck.losses.features import cosine_distance, kl_distance, l1_distance, l2_distance, linf_distance
from limbeck.losses.fusion import fused_distillation
from limbeck.losses.hidden import attention_divergence, hidden_cosine, hidden_mse, normalized_l1
from limbeck.losses.linear import linear_cross_entropy, linear_divergence, linear_term
from limbeck.losses.mixtures import generalized_js, skewed_forward_kl, skewed_reverse_kl
from limbeck.losses.ofa import target_enhanced
from limbeck.losses.ranking import margin_mse, margin_ranking
from limbeck.losses.relations import linear_cka, rkd_angle, rkd_distance, similarity_preserving
from limbeck.losses.taid import taid_divergence
from limbeck.losses.term import Term
from limbeck.losses.tokens import inner_relations, token_contrast, token_graph_divergence
from limbeck.losses.transport import sinkhorn_batchwise, sinkhorn_tokenwise
from limbeck.losses.vocabulary import aligned_distance, universal_logit_distance
from limbeck.signals import LinearLogits
from tests.losses import references as plain
from tests.losses.entry import Entry
from tests.losses.inputs import Inputs, clipped, ignoring, labelled, maps, pair, pair_labelled, same, scores, spans
from tests.losses.references import Array


def _flat(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda student, teacher: function(student.reshape(len(student), -1), teacher.reshape(len(teacher), -1))


def _held_adaptive(student: Tensor, still: Tensor, teacher: Tensor) -> Tensor:
    p, q, log_q = teacher.softmax(-1), still.softmax(-1), student.log_softmax(-1)
    order = p.sort(dim=-1, descending=True)
    head = torch.zeros_like(p).scatter(-1, order.indices, (order.values.cumsum(-1) - order.values < 0.5).double())
    share = ((p - q).abs() * head).sum(-1) / (p - q).abs().sum(-1)
    forward = (p * (p.log() - log_q)).sum(-1)
    return (share * forward + (1 - share) * (log_q.exp() * (log_q - p.log())).sum(-1)).sum()


def _held_taid(student: Tensor, still: Tensor, teacher: Tensor) -> Tensor:
    target = (0.6 * still + 0.4 * teacher).softmax(-1)
    return -(target * student.log_softmax(-1)).sum()


def _first(inputs: Inputs, counted: Tensor) -> Tensor:
    return counted


_WIDE = torch.randn(5, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def _head(hidden: Tensor) -> LinearLogits:
    return LinearLogits(hidden, _WIDE.to(hidden.dtype)[:, : hidden.shape[-1]])


def _linear(reference: Callable[..., Array]) -> Callable[..., Array]:
    return lambda hidden, *others: reference(hidden @ _WIDE.numpy()[:, : hidden.shape[-1]].T, *others)


def _between(loss: Callable[..., Term], reference: Callable[..., Array], **settings: Any) -> Entry:
    """A divergence of logits: the student alone learns, 0 at equality, dense and sparse teachers."""
    best = settings.pop("best", (same(6, 5), 0.0))
    return Entry(loss, pair(6, 5), reference, best, learns=1, sparse=True, mask=_first, **settings)


_SMOOTHED = torch.full((2, 4), 0.025, dtype=torch.float64)
_SMOOTHED[0, 1] = _SMOOTHED[1, 3] = 0.925
_ENTROPY = float(-(_SMOOTHED[0] * _SMOOTHED[0].log()).sum())
_MAPS = (4, 3, 2, 2)
_LABELS = torch.tensor([0, 1, 2, 3, 4, 0])
_CHOSEN = (torch.zeros(6, dtype=torch.float64), torch.full((6,), 0.6, dtype=torch.float64))
_EYE = torch.eye(4, dtype=torch.float64)
_SPANS = spans(torch.Generator())[2]
_TEXTS = same(3, 4, 5)
_EVEN = torch.full((2, 2, 3, 4), 0.25, dtype=torch.float64)
_STATES = same(6, 3)
_SCORES = tuple(torch.tensor([[value]], dtype=torch.float64) for value in (3.0, 1.0, 8.0, 6.0))

ENTRIES = [
    Entry(
        smoothed_cross_entropy,
        labelled,
        plain.smoothed_cross_entropy,
        ((_SMOOTHED.log(), torch.tensor([1, 3])), _ENTROPY),
    ),
    Entry(cross_entropy, ignoring, plain.cross_entropy, ((1e4 * _EYE, torch.arange(4)), 0.0)),
    Entry(
        soft_cross_entropy,
        lambda generator: (pair(6, 5)(generator)[0], pair(6, 5)(generator)[0].softmax(-1)),
        lambda logits, targets: -(targets * np.log(plain.softmax(logits))).sum(-1),
        ((_SMOOTHED.log(), _SMOOTHED), _ENTROPY),
        learns=1,
        mask=_first,
        one=lambda value: value[:, :1] / value[:, :1],
    ),
    Entry(jeffreys_divergence, pair(6, 5), plain.jeffreys, (same(6, 5), 0.0)),
    _between(forward_kl, plain.forward_kl),
    _between(reverse_kl, plain.reverse_kl),
    _between(jeffreys, plain.jeffreys),
    _between(generalized_js, plain.mixture(0.5, of_teacher=0.5, of_student=0.5)),
    _between(generalized_js, plain.mixture(0.1, of_teacher=0.1, of_student=0.9), options={"beta": 0.1}),
    _between(skewed_forward_kl, plain.mixture(0.1, of_teacher=1.0, of_student=0.0)),
    _between(skewed_reverse_kl, plain.mixture(0.9, of_teacher=0.0, of_student=1.0)),
    _between(total_variation, plain.total_variation),
    _between(adaptive_kl, plain.adaptive_kl, held=_held_adaptive),
    _between(topk_split_kl, plain.topk_split(2), options={"k": 2}),
    _between(taid_divergence, plain.taid(0.4), held=_held_taid),
    Entry(
        decoupled_temperature_kl,
        pair(6, 5),
        lambda student, teacher: plain.forward_kl(student / 2.0, teacher / 3.0),
        ((2 * same(6, 5)[0], 3 * same(6, 5)[1]), 0.0),
        learns=1,
        mask=_first,
        options={"temperature": 2.0, "teacher_temperature": 3.0},
    ),
    Entry(decoupled_kd, pair_labelled, plain.decoupled_kd, ((*same(6, 5), _LABELS), 0.0), learns=1, mask=_first),
    Entry(dac_kl, clipped, plain.dac_kl, ((*same(6, 5), *_CHOSEN, _LABELS), 0.0), learns=1, mask=_first, bf16=0.05),
    Entry(
        universal_logit_distance,
        pair(6, 5, other=(6, 7)),
        plain.universal,
        (same(6, 5), 0.0),
        learns=1,
        mask=_first,
    ),
    Entry(
        aligned_distance,
        spans,
        plain.aligned,
        ((*_TEXTS, _SPANS, _SPANS), 0.0),
        learns=1,
        mask=lambda inputs, counted: counted.unsqueeze(1).expand(inputs[0].shape[:2]),
        one=lambda value: value[..., :1],
    ),
    Entry(
        sinkhorn_batchwise, pair(6, 5), plain.sinkhorn_batchwise, None, learns=1, mask=_first, splits=False, bf16=None
    ),
    Entry(
        sinkhorn_tokenwise,
        pair(6, 5),
        plain.sinkhorn_tokenwise(3),
        None,
        learns=1,
        mask=_first,
        options={"k": 3},
        bf16=0.05,
    ),
    Entry(hidden_mse, pair(6, 5), lambda a, b: ((a - b) ** 2).mean(-1), (same(6, 5), 0.0), mask=_first),
    Entry(hidden_cosine, pair(6, 5), lambda a, b: 1 - plain.cosine(a, b), (same(6, 5), 0.0), mask=_first),
    Entry(normalized_l1, pair(6, 5), plain.normalized_l1, (same(6, 5), 0.0), mask=_first),
    Entry(
        attention_divergence,
        maps,
        plain.attention,
        None,  # probabilities that are moved at random are none
        mask=lambda inputs, counted: counted.unsqueeze(1).expand(len(counted), inputs[0].shape[2]),
        one=lambda value: torch.ones_like(value[..., :1]),
    ),
    Entry(
        linear_cka, pair(6, 5, other=(6, 3)), plain.linear_cka, (same(6, 5), 0.0), mask=_first, splits=False, bf16=None
    ),
    Entry(rkd_distance, pair(6, 5, other=(6, 3)), plain.rkd_distance, (same(6, 5), 0.0), mask=_first, splits=False),
    Entry(
        rkd_angle, pair(5, 4, other=(5, 3)), plain.rkd_angle, (same(5, 4), 0.0), mask=_first, splits=False, bf16=None
    ),
    Entry(
        similarity_preserving,
        pair(6, 5, other=(6, 3)),
        plain.similarity_preserving,
        (same(6, 5), 0.0),
        mask=_first,
        splits=False,
        bf16=None,
    ),
    *(
        Entry(
            token_graph_divergence,
            pair(7, 5, other=(7, 3)),
            plain.token_graph(3, order),
            (same(7, 5), 0.0),
            splits=False,
            options={"neighbours": 3, "order": order},
            bf16=None,
        )
        for order in ("reverse", "forward")
    ),
    Entry(token_contrast, pair(6, 5), plain.token_contrast, None, splits=False, bf16=None),
    Entry(
        inner_relations,
        pair(4, 3, 5, other=(4, 3, 2)),
        plain.inner_relations,
        (same(4, 3, 5), 0.0),
        one=lambda value: value[..., :1],
        bf16=None,
    ),
    Entry(
        margin_mse,
        scores,
        lambda a, b, c, d: ((a - b - (c - d)) ** 2).ravel(),
        (_SCORES, 0.0),
        learns=2,
        mask=lambda inputs, counted: counted.unsqueeze(1).expand_as(inputs[1]),
        bf16=0.05,
    ),
    Entry(
        linear_divergence,
        pair(6, 3, other=(6, 5)),
        _linear(plain.forward_kl),
        ((_STATES[0], _STATES[0] @ _WIDE.T), 0.0),
        learns=1,
        sparse=False,
        call=lambda hidden, teacher, **options: linear_divergence(_head(hidden), teacher, chunk=4, **options),
        mask=_first,
        one=lambda value: torch.zeros(len(value), 5, dtype=value.dtype) if value.shape[1] == 5 else value[:, :1],
        bf16=None,
    ),
    Entry(
        linear_cross_entropy,
        lambda generator: (pair(7, 3)(generator)[0], ignoring(generator)[1]),
        _linear(plain.cross_entropy),
        None,  # no hidden state is sure of every class
        learns=1,
        call=lambda hidden, targets: linear_cross_entropy(_head(hidden), targets, chunk=4),
        bf16=None,
    ),
    Entry(
        linear_term,
        lambda generator: (pair(7, 3)(generator)[0], labelled(generator)[1]),
        _linear(plain.smoothed_cross_entropy),
        None,  # likewise
        learns=1,
        call=lambda hidden, labels, **options: linear_term(
            _head(hidden), smoothed_cross_entropy, labels, chunk=4, **options
        ),
        mask=_first,
        bf16=None,
    ),
    Entry(l2_distance, pair(*_MAPS), _flat(lambda a, b: ((a - b) ** 2).mean(-1)), (same(*_MAPS), 0.0)),
    Entry(l1_distance, pair(*_MAPS), _flat(lambda a, b: np.abs(a - b).mean(-1)), (same(*_MAPS), 0.0)),
    Entry(linf_distance, pair(*_MAPS), _flat(lambda a, b: np.abs(a - b).max(-1)), (same(*_MAPS), 0.0)),
    Entry(kl_distance, pair(*_MAPS), _flat(plain.forward_kl), (same(*_MAPS), 0.0)),
    Entry(cosine_distance, pair(*_MAPS), _flat(lambda a, b: 1 - plain.cosine(a, b)), (same(*_MAPS), 0.0)),
    Entry(
        fused_distillation,
        lambda generator: (*pair_labelled(generator), torch.rand(6, generator=generator, dtype=torch.float64)),
        plain.fused,
        ((*same(6, 5), _LABELS, torch.ones(6, dtype=torch.float64)), 0.0),
        learns=1,
        options={"temperature": 1.5},
    ),
    *(
        Entry(
            target_enhanced,
            pair_labelled,
            plain.target_enhanced(eps),
            None,  # its value there is an entropy's, and depends on the teacher
            learns=1,
            options={"eps": eps},
        )
        for eps in (1.0, 1.7)
    ),
    Entry(margin_ranking, pair(5, 4), plain.margin_ranking, ((_EYE, _EYE), 0.0), splits=False, bf16=None),
    *(
        Entry(
            norm_and_direction,
            lambda generator: (*pair(6, 5)(generator), pair(6, 5)(generator)[0]),
            plain.norm_and_direction(align),
            ((*same(6, 5), same(6, 5)[0]), 0.0),
            learns=1,
            options={"align": align},
        )
        for align in ("both", "direction", "norm")
    ),
]
