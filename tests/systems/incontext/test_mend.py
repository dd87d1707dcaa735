"""What prompts ask, what is frozen and what the vectors depend on, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.batch import IGNORED
from limbeck.losses.term import Term
from limbeck.methods.logits import LogitDistillation
from limbeck.systems.findings import Findings
from limbeck.systems.incontext.mend import TRAINED, UNTRAINED
from limbeck.systems.incontext.networks import Distiller, InContextReader, SoftPrompts
from limbeck.systems.incontext.tasks import LABELS, SYMBOLS, TOKENS, as_questions, chosen, mappings, prompts
from limbeck.systems.taught import Taught
from tests.cli.toys import limbeck

ASK, ANSWER = SYMBOLS * LABELS, SYMBOLS * LABELS + SYMBOLS


def test_questions_ask_what_demonstrations_tell() -> None:
    tasks = mappings(5, seed=0)
    made = prompts(tasks, 3, seed=1)
    assert len(made) == 15
    for row, (shown, asked, labels, after) in enumerate(
        zip(
            made.demonstrations.tolist(),
            made.questions.tolist(),
            made.labels.tolist(),
            made.following.tolist(),
            strict=True,
        )
    ):
        told = {word // LABELS: word % LABELS for word in shown}
        assert all(tasks[row // 3, symbol] == label for symbol, label in told.items())
        assert len(told) == len(shown)
        symbols = [word - ASK for word in asked[::2]]
        assert len(set(symbols)) == len(symbols)
        assert [told[symbol] for symbol in symbols] == [word - ANSWER for word in asked[1::2]]
        assert labels[::2] == asked[1::2]
        assert set(labels[1::2]) == {IGNORED}
        assert after == [*asked[1:], IGNORED]


def test_demonstrations_as_questions() -> None:
    questions, labels = as_questions(torch.tensor([[5 * LABELS + 2, 0]]))
    assert questions.tolist() == [[ASK + 5, ANSWER + 2, ASK, ANSWER]]
    assert labels.tolist() == [[ANSWER + 2, IGNORED, ANSWER, IGNORED]]


def test_the_answer_is_the_likeliest_label_after_a_question() -> None:
    logits = torch.zeros(1, 4, TOKENS)
    logits[0, 0, ANSWER + 3] = 1.0
    logits[0, 0, 0] = 9.0  # no label
    logits[0, 1, ANSWER + 2] = 9.0  # after an answer
    logits[0, 2, ANSWER + 1] = 1.0
    assert chosen(logits).tolist() == [[ANSWER + 3, ANSWER + 1]]


def test_only_the_distiller_learns_and_by_its_demonstrations() -> None:
    torch.manual_seed(0)
    reader = InContextReader()
    distiller = Distiller(reader, vectors=3)
    made = prompts(mappings(4, seed=0), 1, seed=0)
    with torch.no_grad():
        teacher = reader.eval()(made.demonstrations, made.questions)
    task = Taught(distiller, ("demonstrations", "questions"), [LogitDistillation()], label_weight=1.0)
    batch = {
        "demonstrations": made.demonstrations,
        "questions": made.questions,
        "labels": made.labels,
        "teacher": teacher,
    }
    terms: dict[str, Term] = task(batch)
    assert float(terms["labels"].count) == 4 * 4
    assert float(terms["forward_kl"].count) == 4 * 8
    (terms["labels"].mean() + terms["forward_kl"].mean()).backward()
    learnt = {name for name, value in task.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0}
    assert learnt
    assert not any(name.startswith("student.reader") for name in learnt)
    assert "student.queries" in learnt
    assert distiller.distil(made.demonstrations).shape == (4, 3, 96)
    # The order of unrelated prompts is of no matter, their demonstrations are.
    both = distiller(made.demonstrations, made.questions)
    torch.testing.assert_close(distiller(made.demonstrations[1:], made.questions[1:]), both[1:])
    assert not torch.allclose(distiller(made.demonstrations[[1, 0]], made.questions[:2]), both[:2])


def test_vectors_before_a_question_are_read_as_embeddings_are() -> None:
    torch.manual_seed(0)
    reader = InContextReader().eval()
    made = prompts(mappings(2, seed=0), 1, seed=0)
    soft = SoftPrompts(reader, 2, made.demonstrations.shape[1])
    with torch.no_grad():
        soft.vectors.copy_(reader.embed(made.demonstrations))
        expected = reader(made.demonstrations, made.questions)
        torch.testing.assert_close(soft(torch.arange(2), made.questions), expected)


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    more = ("--scale", "smoke", "--steps", 4, "--workers", 1, "--device", "cpu", "--out", tmp_path / "run")
    done = limbeck("run", "mend", *more)
    assert done.returncode == 0, done.stderr
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"tuning", *TRAINED, *UNTRAINED}
    assert not found.unequal_budgets()
    assert found.statistics("mend", "accuracy").shape == (1, 60 * 2 * 4, 2)
