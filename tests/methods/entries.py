"""What the truth suite must know of each method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from limbeck.batch import IGNORED, Batch
from limbeck.methods.base import Method, Networks
from limbeck.methods.dac import DistributionAdaptiveClipping
from limbeck.methods.dkd import DecoupledDistillation
from limbeck.methods.embedding import EmbeddingDistillation
from limbeck.methods.hard import HardAugmentation
from limbeck.methods.hidden import HiddenStateDistillation
from limbeck.methods.ikd import InversionDistillation
from limbeck.methods.imagination import Imagination
from limbeck.methods.logit_mse import LogitRegression
from limbeck.methods.logits import LogitDistillation
from limbeck.methods.margins import MarginDistillation
from limbeck.methods.nd import NormAndDirection
from limbeck.methods.ofa import ExitDistillation
from limbeck.methods.pseudo_labels import PseudoLabels
from limbeck.methods.relations import RelationDistillation
from limbeck.methods.sinkd import SinkhornDistillation
from limbeck.methods.soft_labels import SoftLabels
from limbeck.methods.standardised import StandardisedLogits
from limbeck.methods.swing import SwingDistillation
from limbeck.methods.taid import TemporallyAdaptiveDistillation
from limbeck.methods.talking import TalkingModels
from limbeck.methods.tgeo import TrilateralFusion
from limbeck.methods.trg import TokenRelations
from limbeck.methods.uld import UniversalLogitDistillation
from limbeck.signals import Signals
from tests.methods.toys import generated_maps, real_maps, vision

Sides = tuple[Signals, Signals]


@dataclass(frozen=True)
class Entry:
    """One method.

    Args:
        make: A method, the same each time.
        sides: So many items of student's and teacher's signals in float64, with nothing in them but what the method
            says that it needs; the student's have gradients.
        additive: Whether the terms of a batch are the sums of the terms of its parts; where not, ``why`` says why.
        best: From the teacher's signals to those of a student that has nothing left to learn.
        remembers: State that a training step leaves behind.
        batch: What the method reads besides, for so many items that are alike in it.
        why: Of what does not hold.
    """

    make: Callable[[], Method]
    sides: Callable[[int], Sides]
    additive: bool = True
    best: Callable[[Signals], Signals] | None = None
    remembers: tuple[str, ...] = ()
    batch: Callable[[int], Batch] = lambda number: {}
    why: str = ""


def _inversion() -> Method:
    teacher = vision()
    return InversionDistillation(teacher.maps, teacher, grain="block", kd1=0.5, kd2=2.0)


def _maps(number: int) -> Sides:
    teacher, needs = vision(), _inversion().needs
    student = {name: value for name, value in generated_maps(teacher, number).items() if name in needs.student_hidden}
    real = {name: value for name, value in real_maps(teacher, number).items() if name in needs.teacher_hidden}
    return Signals(hidden=student), Signals(hidden=real)


def _imagination() -> Method:
    return Imagination(vision().top)


def _vectors(number: int) -> Sides:
    top = vision().top
    generator = torch.Generator().manual_seed(5)
    vector = torch.randn(number, top.channels, generator=generator, dtype=torch.float64).requires_grad_()
    return Signals(hidden={"vector": vector}), Signals(hidden={top.name: real_maps(vision(), number)[top.name]})


def _logits(number: int) -> Sides:
    generator = torch.Generator().manual_seed(6)
    student, teacher = 2 * torch.randn(2, number, 3, 7, generator=generator, dtype=torch.float64)
    return Signals(logits=student.requires_grad_()), Signals(logits=teacher)


def _scores(number: int) -> Sides:
    student, teacher = _logits(number)
    assert isinstance(student.logits, Tensor)
    assert isinstance(teacher.logits, Tensor)
    return Signals(logits=student.logits.detach()[:, 0].requires_grad_()), Signals(logits=teacher.logits[:, 0])


def _two_tokenizers(number: int) -> Sides:
    generator = torch.Generator().manual_seed(9)
    student = 2 * torch.randn(number, 3, 7, generator=generator, dtype=torch.float64)
    teacher = 2 * torch.randn(number, 4, 5, generator=generator, dtype=torch.float64)
    return Signals(logits=student.requires_grad_()), Signals(logits=teacher)


def _offsets(number: int) -> Batch:
    ours, theirs = torch.tensor([[0, 2], [2, 5], [5, 6]]), torch.tensor([[0, 1], [1, 2], [2, 5], [5, 6]])
    return {
        "offsets": ours.expand(number, 3, 2),
        "teacher_offsets": theirs.expand(number, 4, 2),
        "mask": torch.ones(number, 3, dtype=torch.bool),
        "teacher_mask": torch.ones(number, 4, dtype=torch.bool),
    }


def _states(number: int) -> Sides:
    generator = torch.Generator().manual_seed(7)
    student = torch.randn(number, 3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    teacher = torch.randn(number, 3, 6, generator=generator, dtype=torch.float64)
    return Signals(hidden={"layers.0": student}), Signals(hidden={"layers.2": teacher})


def _clipping() -> Method:
    with torch.random.fork_rng():
        torch.manual_seed(9)
        method = DistributionAdaptiveClipping(top=4, hidden=8).double()
    # What it reads of the student gives that no gradient, which numerical differences would see: it looks away.
    first = method.network[0] if method.network else None
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight[:, 4:] = 0.0
    return method


def _hidden() -> Method:
    return _connected(HiddenStateDistillation(pairs={"layers.0": "layers.2"}), _states)


def _embeddings(number: int) -> Sides:
    student, teacher = _states(number)
    vector = student.hidden["layers.0"].detach()[:, 0].requires_grad_()
    return Signals(hidden={"embedding": vector}), Signals(hidden={"embedding": teacher.hidden["layers.2"][:, 0]})


def _features(number: int) -> Sides:
    generator = torch.Generator().manual_seed(10)
    student, teacher = torch.randn(2, number, 6, generator=generator, dtype=torch.float64)
    return Signals(hidden={"features": student.requires_grad_()}), Signals(hidden={"features": teacher})


def _classes(number: int) -> Batch:
    return {"labels": torch.ones(number, dtype=torch.long)}


def _shares(number: int) -> Batch:
    return {"soft_labels": torch.tensor([[0.3, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64).expand(number, 7)}


def _talking() -> Method:
    weight = torch.linspace(-1, 1, 42, dtype=torch.float64).view(6, 7)
    return _connected(
        TalkingModels(
            lambda hidden: (hidden.mean(1) @ weight.to(hidden.dtype)).tanh(),
            student=("low", "high"), teacher=("low", "high"), width=3, rounds=2,
        ),
        _low_and_high,
    )  # fmt: skip


def _low_and_high(number: int) -> Sides:
    generator = torch.Generator().manual_seed(12)
    shapes = (number, 3, 4), (number, 2), (number, 3, 6), (number, 7)
    states = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    ours = {"low": states[0].requires_grad_(), "high": states[1].requires_grad_()}
    return Signals(hidden=ours), Signals(hidden={"low": states[2], "high": states[3]})


def _unlabelled(number: int) -> Batch:
    return {"labels": torch.full((number,), IGNORED)}


def _prepared() -> Method:
    method = _connected(NormAndDirection(student="features", teacher="features", classes=3), _features)
    method.prepare(lambda batch: _features(5)[1], [_classes(5)])
    return method


def _grids(number: int) -> Sides:
    generator = torch.Generator().manual_seed(12)
    student = torch.randn(number, 4, 2, 2, generator=generator, dtype=torch.float64).requires_grad_()
    teacher = torch.randn(number, 5, 6, generator=generator, dtype=torch.float64)
    return Signals(hidden={"stages.1": student}), Signals(hidden={"layers.2": teacher})


def _tokens() -> Method:
    return _connected(TokenRelations(student="stages.1", teacher="layers.2", neighbours=3), _grids)


def _hard() -> Method:
    method = HardAugmentation(family="none")
    with torch.random.fork_rng():
        torch.manual_seed(14)
        student, teacher = nn.Linear(3, 7), nn.Linear(3, 7)
    method.meet(Networks(student, teacher, lambda batch: batch["x"]))
    return method.double()


def _staged(number: int) -> Sides:
    student, teacher = _scores(number)
    generator = torch.Generator().manual_seed(13)
    maps = torch.randn(number, 4, 4, 4, generator=generator, dtype=torch.float64).requires_grad_()
    tokens = torch.randn(number, 17, 4, generator=generator, dtype=torch.float64).requires_grad_()
    return Signals(logits=student.logits, hidden={"stages.0": maps, "stages.1": tokens}), teacher


def _connected(method: Method, sides: Callable[[int], Sides]) -> Method:
    """With its projections, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(8)
        method.connect(*sides(2))
    return method.double()


def _as_seen(teacher: Signals) -> Signals:
    logits = teacher.logits
    assert logits is None or isinstance(logits, Tensor)
    return Signals(
        logits=None if logits is None else _learning(logits),
        hidden={name: _learning(value) for name, value in teacher.hidden.items()},
    )


def _learning(value: Tensor) -> Tensor:
    return value.clone().requires_grad_()


ENTRIES: dict[type[Method], Entry] = {
    LogitDistillation: Entry(lambda: LogitDistillation(temperature=2.0), _logits, best=_as_seen),
    TemporallyAdaptiveDistillation: Entry(
        lambda: TemporallyAdaptiveDistillation(t_start=1.0),  # where the target does not hold the student
        _logits,
        remembers=("seen",),
        why="at the minimum its value is the target's entropy",
    ),
    SinkhornDistillation: Entry(
        SinkhornDistillation,
        _logits,
        additive=False,
        why="it compares the positions of a batch with each other; and the plan's entropy moves its minimum",
    ),
    DistributionAdaptiveClipping: Entry(_clipping, _logits),
    DecoupledDistillation: Entry(DecoupledDistillation, _scores, best=_as_seen, batch=_classes),
    NormAndDirection: Entry(_prepared, _features, batch=_classes, why="a picture is not its class's mean"),
    RelationDistillation: Entry(
        lambda: RelationDistillation(student="features", teacher="features"),
        _features,
        additive=False,
        best=_as_seen,
        why="it compares the items of a batch with each other",
    ),
    StandardisedLogits: Entry(
        lambda: StandardisedLogits(method={"name": "logits", "temperature": 2.0}), _scores, best=_as_seen
    ),
    SoftLabels: Entry(SoftLabels, _scores, batch=_shares, why="at the minimum its value is the labels' entropy"),
    TrilateralFusion: Entry(
        lambda: TrilateralFusion(classes=7, weighting="fixed").double(),
        _scores,
        batch=_classes,
        why="the label has a part in it",
    ),
    ExitDistillation: Entry(
        lambda: _connected(ExitDistillation(stages=("stages.0", "stages.1"), width=8), _staged).eval(),
        _staged,
        remembers=tuple(
            f"branches.0.0.{norm}.{buffer}"
            for norm in (2, 6)
            for buffer in ("running_mean", "running_var", "num_batches_tracked")
        ),
        batch=_classes,
        why="at the minimum its value is an entropy",
    ),
    HardAugmentation: Entry(
        _hard,
        _scores,
        batch=lambda number: {"x": torch.ones(number, 3)},
        why="what is augmented is said by networks that stay as they are",
    ),
    TokenRelations: Entry(_tokens, _grids, additive=False, why="the nodes of its graph are the tokens of a batch"),
    LogitRegression: Entry(LogitRegression, _logits, best=_as_seen),
    TalkingModels: Entry(_talking, _low_and_high),
    PseudoLabels: Entry(PseudoLabels, _scores, best=_as_seen, batch=_unlabelled),
    MarginDistillation: Entry(MarginDistillation, _scores, best=_as_seen),
    SwingDistillation: Entry(lambda: SwingDistillation(noise=0.0, base=2.0), _logits),
    HiddenStateDistillation: Entry(_hidden, _states),
    UniversalLogitDistillation: Entry(UniversalLogitDistillation, _two_tokenizers, batch=_offsets),
    EmbeddingDistillation: Entry(lambda: _connected(EmbeddingDistillation(), _embeddings), _embeddings),
    InversionDistillation: Entry(_inversion, _maps, best=_as_seen),
    Imagination: Entry(
        _imagination,
        _vectors,
        additive=False,
        why="it ranks the items of a batch; and where the pictures themselves are alike no vector ranks them all right",
    ),
}
