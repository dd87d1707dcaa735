"""What all systems of language models share."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from limbeck.cli.app import execute
from limbeck.distill.examples import next_tokens
from limbeck.systems.lab import Lab
from limbeck.systems.language.arms import Arm, Budget, logits
from limbeck.systems.language.measures import liked_by, likelihood, quality
from limbeck.systems.language.models import Shape, tiny_gpt, write
from limbeck.systems.language.teachers import Teacher, own_start, train_all
from limbeck.systems.language.training import new_student, run_job, train
from limbeck.systems.measured import Column
from tests.systems.language.toys import LANGUAGE, job, same, splits

CE = Arm("ce", "cross-entropy", "baseline", cross_entropy=1.0)
KL = Arm("kl", "forward KL", "baseline", logits("forward_kl"))


def score(column: Column) -> float:
    metric, statistics = column
    return metric.score(statistics)


@pytest.mark.parametrize(
    ("system", "width", "message"),
    [
        ("taid", "7", "width 7: does not go with 2 heads; possible: 6, 8 and"),
        ("taid", "1", "width 1: does not go with 2 heads; possible: 2 and"),
        ("taid", "0", "width: got 0, must be at least 1"),
        ("frontier-kd", "63", "width 63: does not go with 4 heads; possible: 60, 64 and"),
        ("ddk", "7", "width 7: does not go with 2 heads"),
    ],
)
def test_a_width_that_heads_do_not_share_is_told(
    tmp_path: Path, cache: Path, system: str, width: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, kept = str(tmp_path / "run"), sorted(cache.rglob("*"))
    assert execute(["run", system, "--scale", "smoke", "--width", width, "--out", out, "--device", "cpu"]) == 2
    assert message in capsys.readouterr().err
    assert sorted(cache.rglob("*")) == kept


@pytest.mark.parametrize("system", ["taid", "dac-kl"])
def test_fewer_steps_than_none_before_the_training_are_told(
    tmp_path: Path, cache: Path, system: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = sorted(cache.rglob("*"))
    line = ["run", system, "--scale", "smoke", "--pretrain=-1", "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert execute(line) == 2
    assert "--pretrain: got -1, expected 0 or more" in capsys.readouterr().err
    assert sorted(cache.rglob("*")) == kept


def test_students_begin_as_the_one_that_learnt_alone(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path, out=tmp_path / "run", quiet=True)
    start = own_start(lab, "toy", Shape(8), splits(), 2)
    assert start is not None
    assert same(new_student(job(CE, tmp_path, start_from=start)), start.get())
    assert own_start(lab, "toy", Shape(8), splits(), 0) is None


def test_likelihood_is_that_of_each_sequence_alone() -> None:
    """Padding beside it changes nothing."""
    torch.manual_seed(0)
    used = splits()
    model, teacher = tiny_gpt(Shape(8), used.vocabulary).eval(), tiny_gpt(Shape(16), used.vocabulary).eval()
    nll, kl = (statistics for _, statistics in likelihood(model, teacher, used, used.test).values())
    for row, example in enumerate(used.test):
        ids = torch.tensor([example.input_ids])
        with torch.no_grad():
            log_q = F.log_softmax(model(input_ids=ids).logits[0, :-1].double(), -1)
            log_p = F.log_softmax(teacher(input_ids=ids).logits[0, :-1].double(), -1)
        mean = -float(log_q.gather(-1, ids[0, 1:, None]).sum())
        assert nll[row] == pytest.approx([mean, len(example.input_ids) - 1], rel=1e-4)
        assert kl[row, 0] == pytest.approx(float((log_p.exp() * (log_p - log_q)).sum()), rel=1e-4)
    _, same_model = likelihood(teacher, teacher, used, used.test)["KL to the teacher"]
    assert np.abs(same_model[:, 0]).max() < 1e-5


def test_a_prompt_is_not_learnt() -> None:
    assert next_tokens([1, 5, 6, 7, 2], prompt=3).targets == [-100, -100, 7, 2, -100]
    assert next_tokens([1, 5, 2]).targets == [5, 2, -100]


def test_quality_of_texts_of_noise_and_of_one_text_again_and_again() -> None:
    texts = LANGUAGE.sequences("test", count=300)
    valid, modes = quality(LANGUAGE, texts).values()
    assert score(valid) == 100.0
    assert score(modes) > 35
    valid, modes = quality(LANGUAGE, [texts[0]] * 50 + [ids[:-1] for ids in texts[:50]]).values()
    assert score(valid) == 50.0
    assert score(modes) == pytest.approx(1.0)


def test_a_model_likes_its_likeliest_text_better_than_another() -> None:
    torch.manual_seed(0)
    used = splits()
    model = tiny_gpt(Shape(16), used.vocabulary)
    with torch.no_grad():
        model.transformer.wte.weight.mul_(20)
    greedy = [1, *write(model, [[1]], seed=0, sample=False, most=10)[0]]
    ((_, statistics),) = liked_by(model, used, [greedy, used.test[0].input_ids]).values()
    mine, other = statistics[:, 0] / statistics[:, 1]
    assert mine < other


def test_samples_depend_on_their_seed_and_leave_the_random_state_alone() -> None:
    torch.manual_seed(0)
    model = tiny_gpt(Shape(8), splits().vocabulary)
    before = torch.get_rng_state()
    first, again, other = (write(model, [[1], [1, 5]], seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first == again != other
    assert model.training


def test_left_padding_does_not_change_what_is_written() -> None:
    torch.manual_seed(0)
    model = tiny_gpt(Shape(8), splits().vocabulary)
    together = write(model, [[1], [1, 5, 6, 7]], seed=0, sample=False, most=6)
    assert together == [write(model, [prompt], seed=0, sample=False, most=6)[0] for prompt in ([1], [1, 5, 6, 7])]


def test_an_arm_without_a_method_does_not_ask_the_teacher(cache: Path) -> None:
    def ask(*_: object, **__: object) -> None:
        raise AssertionError("asked")

    student, spent = train(job(CE, cache), ask)
    assert spent["steps"] == 6
    assert sum(parameter.numel() for parameter in student.parameters()) > 0


def test_a_job_is_the_same_each_time_and_another_with_another_arm(cache: Path) -> None:
    first, again = (train(one, one.ask())[0] for one in (job(KL, cache), job(KL, cache)))
    assert same(first, again)
    assert not same(first, train(job(CE, cache), None)[0])


def test_all_arms_begin_as_the_same_student_and_learn(cache: Path) -> None:
    short, long = run_job(job(CE, cache, steps=1)), run_job(job(CE, cache, steps=60))
    scores = [score(found.columns["NLL"]) for found in (short, long)]
    assert scores[1] < scores[0] - 0.5
    assert list(long.columns) == [
        "NLL",
        "KL to the teacher",
        "valid",
        "modes",
        "teacher's NLL of samples",
    ]


def test_a_student_begins_as_what_it_starts_from(cache: Path) -> None:
    used = splits()
    start = Teacher("begun", Shape(8), used, Budget(3, 8), cache)
    first, second = (new_student(job(arm, cache, given=used, start_from=start)) for arm in (CE, KL))
    assert same(first, start.get())
    assert same(first, second)
    assert all(parameter.requires_grad for parameter in first.parameters())


def test_the_validation_split_judges_where_it_is_asked_to(cache: Path) -> None:
    used = splits()
    test, val = (run_job(job(CE, cache, given=used, judged_by=name)) for name in ("test", "val"))
    assert not np.array_equal(test.columns["NLL"][1], val.columns["NLL"][1])
    assert val.columns["NLL"][1][:, 1].tolist() == [len(example.input_ids) - 1 for example in used.val]


def test_a_teacher_that_is_remembered_teaches_the_same_as_one_that_is_asked_each_time(cache: Path) -> None:
    one = job(KL, cache, steps=15)  # three passes over 40 texts
    asked = []
    teacher = one.ask()
    teacher.register_forward_hook(lambda module, given, said: asked.append(len(said.logits)))
    remembered, _ = train(one, teacher)
    assert sum(asked) == 40
    live, _ = train(one, teacher, loader=one.splits.loader(one.splits.train, one.budget.batch_size).loader(seed=1))
    assert sum(asked) == 40 + 15 * 8
    for name, weights in live.state_dict().items():
        torch.testing.assert_close(remembered.state_dict()[name], weights, rtol=1e-4, atol=1e-5)


def test_teachers_that_are_not_there_yet_are_trained_and_the_others_left_alone(tmp_path: Path) -> None:
    def teachers(cache: Path) -> list[Teacher]:
        return [Teacher(f"toy-{width}", Shape(width), splits(), Budget(3, 8), cache) for width in (8, 16)]

    # Copied as they are on their way to another process.
    together, alone = pickle.loads(pickle.dumps(teachers(tmp_path / "together"))), teachers(tmp_path / "alone")
    lab = Lab(cache=tmp_path / "together", out=tmp_path / "run", quiet=True)
    assert not any(teacher.kept for teacher in together)
    train_all(lab, together, workers=1)
    assert all(teacher.kept for teacher in together)
    written = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("model.safetensors"))]
    train_all(lab, together, workers=1)
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("model.safetensors"))] == written
    assert all(same(first.get(), second.get()) for first, second in zip(together, alone, strict=True))


def test_a_damaged_teacher_is_trained_again_before_any_worker_asks_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used = splits()
    teachers = [Teacher(name, Shape(8), used, Budget(2, 8), tmp_path) for name in ("first", "second")]
    lab = Lab(cache=tmp_path, out=tmp_path / "run")
    train_all(lab, teachers, workers=1)
    before = teachers[1].get()
    (damaged,) = tmp_path.rglob("second-*/model.safetensors")
    damaged.write_bytes(b"half of it")
    capsys.readouterr()
    with pytest.warns(UserWarning, match="is unusable .* training it again"):
        train_all(lab, teachers, workers=1)
    said = capsys.readouterr().err
    assert "teacher first: kept in" in said
    assert "teacher second: trained in" in said
    assert same(teachers[1].get(), before)
