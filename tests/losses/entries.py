"""What the truth suite knows of every loss: inputs, a plain float64 reference, and its limit cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from tests.losses.references import Array

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Entry:
    """One loss.

    Args:
        loss: The function.
        inputs: Its arguments, in float64, whose first axis is the items.
        reference: The value of each counted item, by the equation and by loops where these are plainer.
        best: Arguments at which it is at its minimum, and that minimum an item; None where it has none.
        learns: How many of the arguments, from the first, get a gradient; None is all of floating point.
        held: The loss by plain operations, of the student, of the student held still, and of the other arguments: the
            equation of a gradient that does not flow through all of the value.
        sparse: Whether the second argument may be sparse.
        options: Keyword arguments.
        call: How it is called with the inputs, where these are not its arguments.
        splits: Whether items are independent of each other, so that parts of a batch add up to it.
        mask: From the inputs and which items count to the mask of the loss; None where it takes none.
        one: An input with one class or feature.
        bf16: How far the mean may be off with inputs in bfloat16, relative to the same inputs in float32; None where
            the loss multiplies matrices, for which not every CPU has bfloat16 instructions.
    """

    loss: Callable[..., Term | Tensor]
    inputs: Callable[[torch.Generator], Inputs]
    reference: Callable[..., Array]
    best: tuple[Inputs, float] | None
    learns: int | None = None
    held: Callable[..., Tensor] | None = None
    sparse: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    call: Callable[..., Term] | None = None
    splits: bool = True
    mask: Callable[[Inputs, Tensor], Tensor] | None = None
    one: Callable[[Tensor], Tensor] = lambda value: value.reshape(len(value), -1)[:, :1] if value.dim() > 1 else value
    bf16: float | None = 0.02

    def term(self, *inputs: Any, **options: Any) -> Term:
        value = (self.call or self.loss)(*inputs, **self.options, **options)
        return value if isinstance(value, Term) else Term.over(value)

    @property
    def name(self) -> str:
        return "-".join([self.loss.__name__, *(f"{name}={value}" for name, value in self.options.items())])


def pair(*shape: int, other: tuple[int, ...] | None = None) -> Callable[[torch.Generator], Inputs]:
    def make(generator: torch.Generator) -> Inputs:
        first, second = (torch.randn(s, generator=generator, dtype=torch.float64) * 2 for s in (shape, other or shape))
        return first, second

    return make


def same(*shape: int) -> Inputs:
    values = pair(*shape)(torch.Generator().manual_seed(3))[0]
    return values, values.clone()


def _labelled(generator: torch.Generator) -> Inputs:
    return torch.randn(7, 5, generator=generator).double() * 3, torch.randint(0, 5, (7,), generator=generator)


def _pair_labelled(generator: torch.Generator) -> Inputs:
    return *pair(6, 5)(generator), torch.randint(0, 5, (6,), generator=generator)


def _clipped(generator: torch.Generator) -> Inputs:
    lower = torch.rand(6, generator=generator, dtype=torch.float64) * 0.5
    upper = lower + 0.2 + torch.rand(6, generator=generator, dtype=torch.float64) * 0.3
    student, teacher, targets = _pair_labelled(generator)
    return student, teacher, lower, upper, targets


def _spans(generator: torch.Generator) -> Inputs:
    """Three texts of six characters in four tokens and in three, with padding; they meet at 3 and 6."""
    ours = torch.tensor([[0, 1], [1, 3], [3, 5], [5, 6]]).repeat(3, 1, 1)
    theirs = torch.tensor([[0, 3], [3, 6], [0, 0]]).repeat(3, 1, 1)
    return *pair(3, 4, 5, other=(3, 3, 7))(generator), ours, theirs


def _maps(generator: torch.Generator) -> Inputs:
    student, teacher = pair(3, 2, 4, 5)(generator)
    return student.softmax(-1), teacher.softmax(-1)


def _scores(generator: torch.Generator) -> Inputs:
    (first, second), (third, fourth) = pair(4, 1, other=(4, 3))(generator), pair(4, 1, other=(4, 3))(generator)
    return first, second, third, fourth


def _ignoring(generator: torch.Generator) -> Inputs:
    logits, labels = _labelled(generator)
    return logits, torch.where(torch.arange(7) % 3 == 1, -100, labels)


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
_SPANS = _spans(torch.Generator())[2]
_TEXTS = same(3, 4, 5)
_EVEN = torch.full((2, 2, 3, 4), 0.25, dtype=torch.float64)
_STATES = same(6, 3)
_SCORES = tuple(torch.tensor([[value]], dtype=torch.float64) for value in (3.0, 1.0, 8.0, 6.0))

ENTRIES = [
    Entry(
        smoothed_cross_entropy,
        _labelled,
        plain.smoothed_cross_entropy,
        ((_SMOOTHED.log(), torch.tensor([1, 3])), _ENTROPY),
    ),
    Entry(cross_entropy, _ignoring, plain.cross_entropy, ((1e4 * _EYE, torch.arange(4)), 0.0)),
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
    Entry(decoupled_kd, _pair_labelled, plain.decoupled_kd, ((*same(6, 5), _LABELS), 0.0), learns=1, mask=_first),
    Entry(dac_kl, _clipped, plain.dac_kl, ((*same(6, 5), *_CHOSEN, _LABELS), 0.0), learns=1, mask=_first, bf16=0.05),
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
        _spans,
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
        _maps,
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
        _scores,
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
        lambda generator: (pair(7, 3)(generator)[0], _ignoring(generator)[1]),
        _linear(plain.cross_entropy),
        None,  # no hidden state is sure of every class
        learns=1,
        call=lambda hidden, targets: linear_cross_entropy(_head(hidden), targets, chunk=4),
        bf16=None,
    ),
    Entry(
        linear_term,
        lambda generator: (pair(7, 3)(generator)[0], _labelled(generator)[1]),
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
        lambda generator: (*_pair_labelled(generator), torch.rand(6, generator=generator, dtype=torch.float64)),
        plain.fused,
        ((*same(6, 5), _LABELS, torch.ones(6, dtype=torch.float64)), 0.0),
        learns=1,
        options={"temperature": 1.5},
    ),
    *(
        Entry(
            target_enhanced,
            _pair_labelled,
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
