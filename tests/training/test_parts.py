from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from limbeck.distill.config import DistillConfig, StudentSettings
from limbeck.errors import LimbeckError
from limbeck.training.averaging import average_weights
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder, environment
from limbeck.training.schedule import lr_factor
from limbeck.training.seed import random_state, restore_random_state, set_seed
from limbeck.training.weights import load_own_state, snapshot, untied


@pytest.mark.parametrize("step", [1, 5, 10, 11, 37, 99, 100, 140])
def test_schedules_are_their_formulas(step: int) -> None:
    warm = min(step / 10, 1.0)
    passed = min(max(step - 10, 0) / 90, 1.0)
    expected = {
        "constant": warm,
        "linear": warm if step < 10 else 0.1 + 0.9 * (1 - passed),
        "cosine": warm if step < 10 else 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * passed)),
        "inverse_sqrt": warm if step < 10 else max(0.1, math.sqrt(10) / math.sqrt(step)),
    }
    for schedule, value in expected.items():
        found = lr_factor(step, schedule=schedule, warmup=10, total=100, floor=0.1)  # type: ignore[arg-type]
        assert found == pytest.approx(value), schedule


def test_schedules_without_warmup_start_at_the_peak() -> None:
    assert lr_factor(1, schedule="inverse_sqrt") == 1.0
    assert lr_factor(1, schedule="linear", total=1000) == pytest.approx(1, abs=2e-3)
    with pytest.raises(ValueError, match="number of all steps"):
        lr_factor(1, schedule="cosine")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": -1}, "Plan.lr: got -1, should be greater than 0"),
        ({"lrr": 1}, "unknown key 'lrr'; did you mean 'lr'"),
        ({"schedule": "cosin"}, "Plan.schedule: got 'cosin', should be 'constant', 'linear', 'cosine' or"),
        ({"epochs": None}, "one of 'max_steps' and 'epochs'"),
        ({"average_last": 2, "restore_best": True}, "exclude one another"),
        ({"min_lr": 2}, "'min_lr' .* is greater"),
        ({"validate_every": "day"}, "Plan.validate_every"),
        ({"lr": float("nan")}, "Plan.lr"),
    ],
)
def test_wrong_plans_are_told(values: dict[str, Any], message: str) -> None:
    with pytest.raises(LimbeckError, match=message):
        Plan(**{"lr": 1.0, "epochs": 1, **values})


def test_keys_that_are_no_names_are_told() -> None:
    data: Any = {"train": "t.jsonl", 5: 3}
    with pytest.raises(LimbeckError, match=r"^DistillConfig\.data: got .*keys are names, got 5 for one$"):
        DistillConfig(task="embedding", teacher="a", student=StudentSettings(name="b"), data=data)


def test_plan_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("lr: 0.5\nmax_steps: 3\nbetas: [0.9, 0.98]\n")
    assert Plan.read(path) == Plan(lr=0.5, max_steps=3, betas=(0.9, 0.98))
    for text, message in [
        ("lr: 1", "must be given"),
        ("- 1", "got list"),
        ("lr: [", "plan.yaml: "),
        ("1: 2", "got dict"),
    ]:
        path.write_text(text)
        with pytest.raises(LimbeckError, match=message):
            Plan.read(path)
    with pytest.raises(LimbeckError, match="No such file"):
        Plan.read(tmp_path / "absent.yaml")


def test_random_state_goes_round() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.randn()), float(torch.randn(()))  # noqa: NPY002

    set_seed(4, 2)
    draw()
    state = random_state()
    assert draw() != (again := draw())
    restore_random_state(*state)
    draw()
    assert draw() == again
    set_seed(4, 2)
    first = draw()
    set_seed(4, 3)
    assert draw() != first


def test_average_adds_in_float64() -> None:
    states = [{"w": torch.full((2,), value), "n": torch.tensor(index)} for index, value in enumerate([1e8, 1.0, -1e8])]
    average = average_weights(states)
    assert average["w"].dtype == torch.float32
    assert average["w"].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert int(average["n"]) == 2
    assert states[0]["w"].tolist() == [1e8, 1e8]
    with pytest.raises(LimbeckError, match="no weights"):
        average_weights([])
    with pytest.raises(LimbeckError, match="differ"):
        average_weights([states[0], {"w": states[0]["w"]}])


class Tied(nn.Module):
    def __init__(self, *, tie: bool = True) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)
        if tie:
            self.head.weight = self.embed.weight


def test_ties_are_kept_once_and_load_again() -> None:
    one, two = Tied(), Tied()
    assert untied(one.state_dict())[1] == {"head.weight": "embed.weight"}
    load_own_state(two, snapshot(one), "here")
    assert two.head.weight is two.embed.weight
    assert torch.equal(one.head.weight, two.head.weight)
    with pytest.raises(LimbeckError, match=r"here: the task has 'head.weight', which is not saved"):
        load_own_state(Tied(tie=False), snapshot(one), "here")
    with pytest.raises(LimbeckError, match=r"'head.weight' is saved, and the task has no such state"):
        load_own_state(one, snapshot(Tied(tie=False)), "here")


def test_log_survives_a_torn_line(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    for step in (1, 2, 3):
        run.append({"step": step})
    with run.log.open("a") as file:
        file.write('{"step": 4, "lo')
    assert [row["step"] for row in run.rows()] == [1, 2, 3]
    run.drop_rows_after(2)
    run.append({"step": 3})
    assert [row["step"] for row in run.rows()] == [1, 2, 3]
    run.log.write_text("what\n{}\n")
    with pytest.raises(LimbeckError, match=r"log.jsonl, line 1: is not JSON"):
        run.rows()
    run.write_metrics({"bleu": 1.0})
    assert run.plots.is_dir()
    assert run.hypotheses.is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(LimbeckError, match="is a file"):
        RunFolder(tmp_path / "file")


@pytest.mark.parametrize("content", [b"{: bad", b"[]\n- 3", b"[1]", b"lr: \xff"])
def test_damaged_configuration_of_a_run_is_told(tmp_path: Path, content: bytes) -> None:
    run = RunFolder(tmp_path)
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(LimbeckError, match=r"config\.yaml: is damaged: [^\n]+$"):
        run.refuse_other({"lr": 0.1})


def test_environment_tells_what_a_number_depends_on() -> None:
    names = {"limbeck", "python", "torch", "transformers", "device", "threads", "date", "commit"}
    assert names <= environment().keys()
