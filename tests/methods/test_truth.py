"""What every method must be; a method without an entry in ``entries.py`` or in a test file here fails.

So does one with a name that has no value in ``values.py``, and no word (``ELSEWHERE``) there or in a test file of where
its value is tested.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

import limbeck.methods
from limbeck.losses.term import Term
from limbeck.methods.base import Method
from limbeck.methods.find import make_method
from limbeck.signals import Signals
from tests import methods as tests_of_methods
from tests.methods import entries
from tests.methods.entries import Entry
from tests.methods.values import ELSEWHERE, VALUES, Value

NUMBER = 6


def collected(name: str, first: Mapping[Any, Any]) -> dict[Any, Any]:
    """What ``entries.py`` or ``values.py`` has, and what test files keep beside their tests under the same name."""
    found = dict(first)
    for module in pkgutil.iter_modules(tests_of_methods.__path__, "tests.methods."):
        if module.name.rpartition(".")[2].startswith("test_") and module.name != __name__:
            found |= getattr(importlib.import_module(module.name), name, {})
    return found


ENTRIES: dict[type[Method], Entry] = collected("ENTRIES", entries.ENTRIES)


def public_methods() -> set[type[Method]]:
    """Every method of the package that can be made."""
    found: set[type[Method]] = set()
    for module in pkgutil.walk_packages(limbeck.methods.__path__, "limbeck.methods."):
        for name, member in vars(importlib.import_module(module.name)).items():
            if name.startswith("_") or not (inspect.isclass(member) and issubclass(member, Method)):
                continue
            if not inspect.isabstract(member):
                found.add(member)
    return found


def test_every_method_has_an_entry() -> None:
    assert public_methods() == set(ENTRIES)


def test_every_named_method_has_a_value() -> None:
    valued, elsewhere = {value.name for value in VALUES}, collected("ELSEWHERE", ELSEWHERE)
    assert valued.isdisjoint(elsewhere)
    assert valued | elsewhere.keys() == {method.name for method in public_methods() if method.name}


@pytest.mark.parametrize("value", VALUES, ids=[value.name for value in VALUES])
def test_the_loss_is_that_of_the_equation(value: Value) -> None:
    method = make_method({"name": value.name, **value.settings})
    method.connect(value.student, value.teacher)
    for matrix in (each for each in method.parameters() if each.requires_grad):
        torch.nn.init.eye_(matrix)
    terms = method.double()(value.student, value.teacher, value.batch)
    (ours,), (theirs,) = (tensors(side).values() for side in (value.student, value.teacher))
    found = sum(method.weights[name] * float(term.mean().detach()) for name, term in terms.items())
    assert found == pytest.approx(value.expected(ours.numpy(), theirs.numpy()), rel=1e-10)


every_method = pytest.mark.parametrize("entry", ENTRIES.values(), ids=[method.__name__ for method in ENTRIES])


LOGITS = "logits"


def tensors(signals: Signals) -> dict[str, Tensor]:
    """All that a side says, by name."""
    assert signals.logits is None or isinstance(signals.logits, Tensor)
    return {**({} if signals.logits is None else {LOGITS: signals.logits}), **signals.hidden}


def of_tensors(values: Mapping[str, Tensor]) -> Signals:
    return Signals(logits=values.get(LOGITS), hidden={name: value for name, value in values.items() if name != LOGITS})


def changed(signals: Signals, change: Callable[[Tensor], Tensor]) -> Signals:
    return of_tensors({name: change(value) for name, value in tensors(signals).items()})


def items(signals: Signals, at: slice) -> Signals:
    return changed(signals, lambda value: value[at])


def weighed(method: Method, terms: dict[str, Term]) -> Tensor:
    parts = [method.weights[name] * term.total for name, term in terms.items()]
    return torch.stack(parts).sum()


@every_method
def test_reads_what_it_says_and_makes_the_terms_that_it_weighs(entry: Entry) -> None:
    """Signals hold nothing else; a method that took more would not find it."""
    method, (student, teacher) = entry.make(), entry.sides(NUMBER)
    assert set(method.needs.student_hidden) == student.hidden.keys()
    assert set(method.needs.teacher_hidden) == teacher.hidden.keys()
    assert method.needs.logits == (student.logits is not None) == (teacher.logits is not None)
    terms = method(student, teacher, entry.batch(NUMBER))
    # A task's own term may be weighed too, as what is left of one.
    assert terms.keys() == method.weights.keys() - {"translation"}
    assert all(term.total.isfinite() and not term.count.requires_grad for term in terms.values())


@every_method
def test_teaches_the_student_and_leaves_the_teacher_alone(entry: Entry) -> None:
    method, (student, teacher) = entry.make().train(), entry.sides(NUMBER)
    frozen = {name: value.clone() for name, value in method.state_dict().items()}
    weighed(method, method(student, teacher, entry.batch(NUMBER))).backward()
    for name, value in tensors(student).items():
        assert value.grad is not None, name
        assert value.grad.abs().sum() > 0, name
    for name, parameter in method.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    # Nor does looking at generated pictures change what the teacher knows of real ones.
    moved = {name for name, value in method.state_dict().items() if not torch.equal(value, frozen[name])}
    assert moved == set(entry.remembers)


@every_method
def test_gradient(entry: Entry) -> None:
    method, (student, teacher) = entry.make(), entry.sides(2)
    names = list(tensors(student))

    def total(*values: Tensor) -> Tensor:
        return weighed(method, method(of_tensors(dict(zip(names, values, strict=True))), teacher, entry.batch(2)))

    assert torch.autograd.gradcheck(total, tuple(tensors(student).values()), fast_mode=True)


@every_method
def test_a_batch_is_the_sum_of_its_parts(entry: Entry) -> None:
    method, (student, teacher) = entry.make(), entry.sides(NUMBER)
    whole = method(student, teacher, entry.batch(NUMBER))
    parts = [
        method(items(student, at), items(teacher, at), entry.batch(at.stop - at.start))
        for at in (slice(0, 1), slice(1, 1), slice(1, NUMBER))
    ]
    agree = all(
        torch.isclose(sum((part[name].total for part in parts), torch.zeros(())), whole[name].total)
        and sum(float(part[name].count) for part in parts) == float(whole[name].count)
        for name in whole
    )
    assert agree == entry.additive, entry.why


@every_method
def test_no_items_are_no_loss(entry: Entry) -> None:
    method, (student, teacher) = entry.make(), entry.sides(NUMBER)
    nothing = slice(0, 0)
    terms = method(items(student, nothing), items(teacher, nothing), entry.batch(0))
    assert terms.keys() == method(student, teacher, entry.batch(NUMBER)).keys()
    assert all((float(term.total.detach()), float(term.count)) == (0.0, 0.0) for term in terms.values())


@every_method
def test_a_stored_teacher_in_halves_stays_close(entry: Entry) -> None:
    method, (student, teacher) = entry.make().float(), entry.sides(NUMBER)
    learner = changed(student, lambda value: value.detach().float())
    whole, stored = (
        method(learner, changed(teacher, lambda value, kind=kind: value.to(kind)), entry.batch(NUMBER))
        for kind in (torch.float32, torch.float16)
    )
    for name, term in whole.items():
        assert stored[name].total.dtype == torch.float32
        torch.testing.assert_close(stored[name].total, term.total, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES.values() if entry.best], ids=[m.__name__ for m, e in ENTRIES.items() if e.best]
)
def test_who_has_nothing_left_to_learn_is_at_the_minimum(entry: Entry) -> None:
    method, (_, teacher) = entry.make(), entry.sides(NUMBER)
    assert entry.best is not None
    best = entry.best(teacher)
    total = weighed(method, method(best, teacher, entry.batch(NUMBER)))
    total.backward()
    assert float(total.detach()) == pytest.approx(0.0, abs=1e-18)
    assert all(value.grad is None or value.grad.abs().max() < 1e-8 for value in tensors(best).values())
