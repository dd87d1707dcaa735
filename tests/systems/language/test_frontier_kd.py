"""`limbeck run frontier-kd`: problems, their solver, and what students are trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from limbeck.systems.language.frontier_kd import ARMS, LONGER, held_out_problems, targets
from limbeck.systems.language.models import LONGEST
from limbeck.systems.language.problems import (
    DIRECT,
    STEPS,
    Solver,
    problem_vocabulary,
    problems,
    read_answer,
    read_problem,
)
from tests.systems.language.toys import smoke

GIVEN = problems(0, 1500, (2, 3))


def label(ids: list[int]) -> tuple[str, int]:
    found = read_answer(" ".join(problem_vocabulary().decode(ids)))
    assert found is not None
    return found


def test_problems_are_read_back_and_stay_within_a_digit() -> None:
    assert all(read_problem(problem.text) == problem for problem in GIVEN)
    assert all(0 <= total <= 9 for problem in GIVEN for total in problem.totals)
    assert {len(problem.changes) for problem in GIVEN} == {2, 3}
    assert problems(0, 10, (2, 3)) == GIVEN[:10]
    assert problems(1, 10, (2, 3)) != GIVEN[:10]


def test_a_rationale_is_the_reckoning() -> None:
    problem = read_problem("a boy has 3 apples . he buys 4 . he sells 2 . how many ?")
    assert problem.rationale() == "3 + 4 = 7 ; 7 - 2 = 5 ;"
    assert read_answer(f"{problem.rationale()} answer 5") == (problem.rationale(), 5)


@pytest.mark.parametrize("text", ["", "answer", "answer 12", "7", "3 + 4 = 7 answer 7", "answer 7 ; 3 + 4 = 7"])
def test_what_is_not_in_the_form_cannot_be_read(text: str) -> None:
    assert read_answer(text) is None


def test_the_solver_is_as_often_right_as_it_is_said_to_be() -> None:
    rates = {}
    for prompt in (DIRECT, STEPS):
        answers = Solver().complete([f"{prompt}\n{problem.text}" for problem in GIVEN])
        read = [read_answer(answer.text) for answer in answers]
        right = [one is not None and one[1] == p.answer for one, p in zip(read, GIVEN, strict=True)]
        rates[prompt] = sum(right) / len(right)
        assert 0.005 < sum(one is None for one in read) / len(read) < 0.04
    assert rates[DIRECT] == pytest.approx(0.98 * (0.7 + 0.3 / 10), abs=0.04)
    assert rates[STEPS] > 0.92


def test_targets_of_each_arm() -> None:
    made = {arm: targets(arm, GIVEN, Solver(), 0.15) for arm in ("original", "direct", "steps-label", "steps")}
    assert len(made["original"]) == len(GIVEN) > len(made["steps"]) == len(made["steps-label"])
    wrong = [
        label(example.input_ids[example.prompt :])[1] != problem.answer
        for example, problem in zip(made["original"], GIVEN, strict=True)
    ]
    assert sum(wrong) / len(wrong) == pytest.approx(0.15, abs=0.03)
    for whole, bare in zip(made["steps"], made["steps-label"], strict=True):
        assert whole.input_ids[: whole.prompt] == bare.input_ids[: bare.prompt]
        rationale, last = label(whole.input_ids[whole.prompt :])
        assert rationale
        assert label(bare.input_ids[bare.prompt :]) == ("", last)
        assert whole.targets[: whole.prompt - 1] == [-100] * (whole.prompt - 1)


def test_no_problem_of_the_test_is_one_of_the_validation() -> None:
    val, test = (held_out_problems(split, 300) for split in ("val", "test"))
    assert val[0] != test[0]
    assert {len(problem.changes) for problem in test[1]} == {4}
    assert max(len(f"{p.text} {p.rationale()} answer 5".split()) for p in test[1]) + 2 <= LONGEST


def test_smoke(cache: Path, tmp_path: Path) -> None:
    found = smoke("frontier-kd", tmp_path, "--width", 8, "--layers", 1)
    assert list(found.arms) == [arm.name for arm in ARMS]
    assert found.unequal_budgets() == {}
    assert found.score("teacher-steps", "accuracy") > 80
    assert set(found.metrics) == {"accuracy", "unreadable", "judge without the truth", LONGER}
    assert found.score("teacher-direct", "judge without the truth") >= 95
