"""What methods' losses are by their equations, at settings other than the defaults, in NumPy and float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limbeck.batch import IGNORED, Batch
from limbeck.signals import Signals
from tests.losses import references as plain
from tests.losses.references import Array


@dataclass(frozen=True)
class Value:
    """One method at some settings.

    Args:
        name: Of the method.
        settings: Its settings.
        expected: From all that student and teacher say to the sum of ``weight * total / count``.
        student: What the student says: logits, or one hidden state.
        teacher: What the teacher says.
        batch: What the method reads besides.
    """

    name: str
    settings: Mapping[str, Any]
    expected: Callable[[Array, Array], float]
    student: Signals
    teacher: Signals
    batch: Batch = field(default_factory=dict)


_COUNTED = torch.tensor([True, False, True, True, False, True])
_PLACES = _COUNTED.numpy()
_GENERATOR = torch.Generator().manual_seed(15)
_OURS, _THEIRS = 3 * torch.randn(2, 6, 7, generator=_GENERATOR, dtype=torch.float64)
_CLASSES = torch.tensor([3, 0, 6, 1, 2, 3])
_NUMBERS = _CLASSES.numpy()
_SHARES = torch.rand(6, 7, generator=_GENERATOR, dtype=torch.float64).softmax(-1)
_PRIVACY = torch.tensor([0.5, 1.0, 0.0, 1.0, 0.0, 0.25], dtype=torch.float64)
_HEAT = 2 + 8 * _PRIVACY.unsqueeze(-1).numpy()
_STATES, _WIDER = (torch.randn(2, 3, width, generator=_GENERATOR, dtype=torch.float64) for width in (4, 5))
_OTHER_WORDS = torch.randn(2, 3, 5, generator=_GENERATOR, dtype=torch.float64)
_SPANS, _OTHER_SPANS = torch.tensor([[0, 2], [2, 5], [5, 6]]), torch.tensor([[0, 1], [1, 5], [5, 6]])


def _mean(values: Array) -> float:
    return float(values[_PLACES].mean())


def _logits(
    name: str, settings: Mapping[str, Any], expected: Callable[[Array, Array], float], **batch: Tensor
) -> Value:
    """Of items some of which do not count."""
    return Value(name, settings, expected, Signals(logits=_OURS, mask=_COUNTED), Signals(logits=_THEIRS), batch)


def _vectors(name: str, settings: Mapping[str, Any], expected: Callable[[Array, Array], float], site: str) -> Value:
    """Of items that all count."""
    ours, theirs = (Signals(hidden={site: states.flatten(0, 1)}) for states in (_STATES, _WIDER))
    return Value(name, settings, expected, ours, theirs)


def wider(values: Array) -> Array:
    """What a projection to the teacher's width gives whose matrix has ones on its diagonal."""
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, 1)])


def _deviations(values: Array) -> Array:
    return values / values.std(-1, ddof=1, keepdims=True)


def _taid(t: float) -> Callable[[Array, Array], float]:
    def value(ours: Array, theirs: Array) -> float:
        target = plain.softmax((1 - t) * ours + t * theirs)
        return _mean(-(target * np.log(plain.softmax(ours))).sum(-1))

    return value


VALUES = [
    _logits(
        "logits",
        {"temperature": 2.0, "weight": 0.5},
        lambda ours, theirs: 0.5 * 4 * _mean(plain.forward_kl(ours / 2, theirs / 2)),
    ),
    _logits(
        "logits",
        {"divergence": "generalized_js", "temperature": 3.0, "options": {"beta": 0.1}},
        lambda ours, theirs: 9 * _mean(plain.mixture(0.1, of_teacher=0.1, of_student=0.9)(ours / 3, theirs / 3)),
    ),
    _logits(
        "dkd",
        {"temperature": 3.0, "weight": 0.5},
        lambda ours, theirs: 0.5 * 9 * _mean(plain.decoupled_kd(ours / 3, theirs / 3, _NUMBERS)),
        labels=_CLASSES.where(_COUNTED, IGNORED),
    ),
    _logits("taid", {"t_start": 0.3}, _taid(0.3)),
    _logits(
        "sinkhorn",
        {"temperature": 3.0, "weight": 0.8},
        lambda ours, theirs: 0.8 * float(plain.sinkhorn_batchwise(ours[_PLACES] / 3, theirs[_PLACES] / 3).mean()),
    ),
    _logits(
        "sinkhorn",
        {"grain": "sample", "temperature": 3.0},
        lambda ours, theirs: _mean(np.abs(plain.softmax(ours / 3) - plain.softmax(theirs / 3)).sum(-1)),
    ),
    _logits("logit-mse", {"weight": 0.5}, lambda ours, theirs: 0.5 * _mean(((ours - theirs) ** 2).sum(-1))),
    Value(
        "pseudo-labels",
        {"weight": 0.2},
        lambda ours, theirs: 0.2 * _mean(plain.forward_kl(ours, theirs)),
        Signals(logits=_OURS),  # it is the labels that say which items count
        Signals(logits=_THEIRS),
        {"labels": _CLASSES.where(~_COUNTED, IGNORED)},
    ),
    _logits(
        "soft-labels",
        {"weight": 0.3},
        lambda ours, theirs: 0.3 * _mean(-(_SHARES.numpy() * np.log(plain.softmax(ours))).sum(-1)),
        soft_labels=_SHARES,
    ),
    _logits(
        "soft-labels",
        {"weight": 0.3},
        lambda ours, theirs: 0.3 * float(plain.cross_entropy(ours[_PLACES], _NUMBERS[_PLACES]).mean()),
        labels=_CLASSES.where(_COUNTED, IGNORED),
    ),
    _logits(
        "swing",
        {"base": 2.0, "highest": 10.0, "noise": 0.0},
        lambda ours, theirs: 4 * _mean(plain.forward_kl(ours / _HEAT, theirs / _HEAT)),
        privacy=_PRIVACY,
    ),
    _logits(
        "standardised",
        {"method": {"name": "logits", "temperature": 2.0}},
        lambda ours, theirs: 4 * _mean(plain.forward_kl(_deviations(ours) / 2, _deviations(theirs) / 2)),
    ),
    _logits(
        "tgeo",  # every item counts
        {"classes": 7, "weighting": "fixed", "alpha": 0.3},
        lambda ours, theirs: float(plain.fused(ours, theirs, _NUMBERS, np.full(6, 0.3)).mean()),
        labels=_CLASSES,
    ),
    Value(
        "hidden",
        {"pairs": {"1": "2"}, "weight": 0.5},
        lambda ours, theirs: 0.5 * float(((wider(ours) - theirs) ** 2).mean(-1).ravel()[_PLACES].mean()),
        Signals(hidden={"1": _STATES}),
        Signals(hidden={"2": _WIDER}),
        {"attention_mask": _COUNTED.view(2, 3).long()},
    ),
    Value(
        "hidden",
        {"pairs": {"1": "2"}, "distance": "cosine"},
        lambda ours, theirs: float((1 - plain.cosine(wider(ours), theirs)).mean()),
        Signals(hidden={"1": _STATES}),
        Signals(hidden={"2": _WIDER}),
    ),
    _vectors(
        "embedding",
        {"weight": 0.5},
        lambda ours, theirs: 0.5 * float(((wider(ours) - theirs) ** 2).mean()),
        "embedding",
    ),
    _vectors(
        "relations",
        {"student": "features", "teacher": "features", "weight": 0.5},
        lambda ours, theirs: 0.5 * float(plain.rkd_distance(ours, theirs).mean()),
        "features",
    ),
    Value(
        "uld",
        {"temperature": 2.0, "weight": 0.5},
        lambda ours, theirs: 0.5 * float(
            plain.aligned(ours / 2, theirs / 2, np.stack(2 * [_SPANS]), np.stack(2 * [_OTHER_SPANS])).mean()
        ),
        Signals(logits=_OURS.view(2, 3, 7)),
        Signals(logits=_OTHER_WORDS),
        {
            "offsets": _SPANS.expand(2, 3, 2),
            "teacher_offsets": _OTHER_SPANS.expand(2, 3, 2),
            **dict.fromkeys(("mask", "teacher_mask"), torch.ones(2, 3, dtype=torch.bool)),
        },
    ),
]  # fmt: skip

ELSEWHERE = {
    "dac-kl": "a network that learns chooses what counts; test_dac has the spans by hand, the truth of losses the rest",
    "hard": "both networks are called; test_hard has it without an augmenter at another temperature",
    "nd": "it reads means of a pass beforehand; test_nd has those, and the truth of losses the distance to them",
    "ofa": "its exits are networks; test_ofa has both terms by hand",
    "trg": "it draws tokens and projects them; test_trg has what is drawn, and the truth of losses the three terms",
}
"""Named methods whose values are tested otherwise, and where."""
