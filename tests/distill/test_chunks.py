"""Logits a chunk of positions at a time change nothing but what is held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from limbeck.distill.cache import cache_teacher
from limbeck.distill.config import DistillConfig
from limbeck.distill.prepare import Ready, prepare
from limbeck.distill.run import distill
from limbeck.errors import LimbeckError
from limbeck.losses.term import Term
from limbeck.methods.find import named_methods
from limbeck.signals import LinearLogits
from limbeck.teachers.store.settings import StoreSettings
from tests.distill.test_distill import weights
from tests.distill.toys import causal, project, save

POSITIONWISE = [name for name, method in named_methods().items() if method.positionwise]


def configured(path: Path, *changes: str) -> DistillConfig:
    return DistillConfig.read_changed(path, changes)


def ready(path: Path, *changes: str) -> Ready:
    """In float64: the loader gives fp32."""
    made = prepare(configured(path, *changes))
    made.task.double()
    return made


def batch_of(made: Ready) -> dict[str, Any]:
    split = made.splits.train
    return dict(split.collator(list(enumerate(split.examples[:6]))))


def learnt(made: Ready, batch: dict[str, Any]) -> tuple[dict[str, Term], dict[str, Tensor]]:
    """Terms and gradients of a training step."""
    task = made.task.train()
    terms = task(batch)
    sum(task.weights[name] * term.mean() for name, term in terms.items()).backward()
    return terms, {name: value.grad for name, value in task.named_parameters() if value.grad is not None}


def alike(one: dict[str, Term], other: dict[str, Term]) -> None:
    assert one.keys() == other.keys()
    for name, term in one.items():
        torch.testing.assert_close(term.total.double(), other[name].total.double(), rtol=1e-9, atol=1e-9)
        assert float(term.count) == float(other[name].count)


def compare(path: Path, *changes: str) -> None:
    whole, chunked = ready(path, "chunk=null", *changes), ready(path, "chunk=5", *changes)
    batch = batch_of(whole)
    assert whole.task.head is None
    assert isinstance(chunked.task.speak(batch).logits, LinearLogits)
    terms, gradients = learnt(whole, batch)
    found, ours = learnt(chunked, batch)
    alike(terms, found)
    assert ours.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-8, atol=1e-10)
    with torch.no_grad():
        alike(whole.task.eval()(batch), chunked.task.eval()(batch))


@pytest.mark.parametrize("name", POSITIONWISE)
@pytest.mark.parametrize("cross_entropy", [0.0, 0.3])
def test_every_method_that_judges_positions_alone(tmp_path: Path, name: str, cross_entropy: float) -> None:
    compare(project(tmp_path), f"method={name}", f"cross_entropy={cross_entropy}")


@pytest.mark.parametrize(
    "changes",
    [
        ("method={name: logits, divergence: generalized_js, temperature: 3.0}", "cross_entropy=0.5"),
        ("method=null", "cross_entropy=1"),
        ("student.lora.rank=2", "cross_entropy=0.5"),
        ("data.pack=true",),
        ("gradient_checkpointing=true",),
    ],
    ids=["temperature", "labels alone", "adaptors", "packed", "checkpointing"],
)
def test_what_else_may_be_asked_for(tmp_path: Path, changes: tuple[str, ...]) -> None:
    compare(project(tmp_path), *changes)


@pytest.mark.parametrize("tied", [True, False])
def test_heads_that_are_the_embedding_and_heads_of_their_own(tmp_path: Path, tied: bool) -> None:
    path = project(tmp_path)
    torch.manual_seed(1)
    save(causal(tie_word_embeddings=tied), tmp_path / "teacher")
    compare(path, "cross_entropy=0.5")


@pytest.mark.parametrize("keep", ["full", "top-k", "sample"])
def test_stored_teachers(tmp_path: Path, keep: Any) -> None:
    """The store itself is the same, too, whether it was written from chunks or not."""
    path = project(tmp_path)
    settings = (
        StoreSettings(keep=keep, dtype="fp32", k=4) if keep == "top-k" else StoreSettings(keep=keep, dtype="fp32")
    )
    rest = "method={name: logits, options: {rest: renormalise}}"
    for folder, chunk in (("store", "null"), ("other", "3")):
        cache_teacher(configured(path, rest, f"chunk={chunk}"), tmp_path / folder, settings, progress=False)
    one, other = (prepare(configured(path, rest, f"store={folder}")).task.teacher for folder in ("store", "other"))
    batch = batch_of(prepare(configured(path)))
    assert one is not None
    assert other is not None
    for first, second in zip(parts(one(batch).logits), parts(other(batch).logits), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)
    compare(path, rest, "store=store", "cross_entropy=0.5")


def parts(logits: Any) -> list[Tensor]:
    return [logits] if isinstance(logits, Tensor) else [logits.ids, logits.log_probs]


def test_a_batch_in_which_nothing_counts_gives_every_term(tmp_path: Path) -> None:
    made = ready(project(tmp_path), "chunk=2", "cross_entropy=0.5")
    batch = batch_of(made)
    batch["mask"] = torch.zeros_like(batch["mask"])
    terms, gradients = learnt(made, batch)
    assert terms.keys() == {"forward_kl", "cross_entropy"}
    assert all(float(term.total.detach()) == float(term.count) == 0.0 for term in terms.values())
    assert not any(gradient.any() for gradient in gradients.values())


def test_a_whole_run_with_accumulation_is_the_run_without_chunks(tmp_path: Path) -> None:
    path = project(tmp_path, cross_entropy=0.5, batch_size=4)
    # AdamW's first step divides a gradient by itself; a large epsilon keeps the gradient's own size.
    plan = ["plan.max_steps=3", "plan.accumulate=3", "plan.eps=0.1"]
    runs = [
        distill(configured(path, f"chunk={chunk}", *plan), tmp_path / chunk, progress=False) for chunk in ("null", "3")
    ]
    ours, theirs = (weights(run.model) for run in runs)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-6)
    for who, metrics in runs[0].metrics.items():
        assert runs[1].metrics[who] == pytest.approx(metrics, rel=1e-4, abs=1e-6)


def test_terms_may_not_be_weighted_otherwise_than_told(tmp_path: Path) -> None:
    made = ready(project(tmp_path), "chunk=3", "cross_entropy=0.5")
    terms = made.task.train()(batch_of(made))
    with pytest.raises(RuntimeError, match=r"expected was the proportion \[1.0, 0.5\]"):
        (terms["forward_kl"].total + terms["cross_entropy"].total).backward()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("task=seq2seq",), "'chunk' is for causal-lm, got the task 'seq2seq'"),
        (("method=sinkhorn",), "chunk: 'sinkhorn' does not judge each position by itself; set it to auto or null"),
        (
            ("student.lora={rank: 2, modules: [lm_head]}",),
            "chunk: the student: the logits of a LlamaForCausalLM are not those of a linear layer alone",
        ),
    ],
)
def test_what_cannot_be_done_in_chunks_is_refused_only_where_they_are_asked_for(
    tmp_path: Path, changes: tuple[str, ...], told: str
) -> None:
    path = project(tmp_path)
    with pytest.raises(LimbeckError, match=told.replace("'", ".")):
        prepare(configured(path, "chunk=3", *changes))
    if changes[0] != "task=seq2seq":
        assert prepare(configured(path, *changes)).task.head is None
