"""`limbeck run dac-kl`, and the correction of samples."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from limbeck.systems.language.dac_kl import arms, repeated
from limbeck.systems.language.models import Shape, tiny_gpt
from limbeck.systems.language.prompts import answers, span_words, with_noise
from limbeck.systems.language.revision import RevisedSampler, corrections, revise
from limbeck.world.language import Language, vocabulary
from tests.systems.language.toys import smoke

LANGUAGE = Language(topics=("question", "colour", "place"))
PROMPTS = [[1, 9, 8], [1, 7], [1, 4, 5, 6]]
WRITTEN = [[20, 30, 2], [40, 50, 60, 70, 2], [33, 2]]


def models() -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    student, teacher = (tiny_gpt(Shape(16), vocabulary()).eval() for _ in range(2))
    with torch.no_grad():
        for model in (student, teacher):
            model.transformer.wte.weight.mul_(10)
    return student, teacher


@torch.no_grad()
def test_the_correction_stands_where_they_differ_most() -> None:
    """Row by row and place by place, without padding."""
    student, teacher = models()
    places, words = corrections(student, teacher, PROMPTS, WRITTEN)
    for row, (prompt, written) in enumerate(zip(PROMPTS, WRITTEN, strict=True)):
        gaps = {}
        for at, word in enumerate(written):
            before = torch.tensor([[*prompt, *written[:at]]])
            log_q, log_p = (F.log_softmax(model(input_ids=before).logits[0, -1], -1) for model in (student, teacher))
            if int(log_p.argmax()) != word:
                gaps[at] = (float((log_p.exp() * (log_p - log_q)).sum()), int(log_p.argmax()))
        best = max(gaps, key=lambda at: gaps[at][0])
        assert (int(places[row]), int(words[row])) == (best, gaps[best][1])


def test_a_revised_sample_keeps_what_came_before_and_goes_on() -> None:
    student, teacher = models()
    places, words = corrections(student, teacher, PROMPTS, WRITTEN)
    revised = revise(student, teacher, PROMPTS, WRITTEN, end=2, seed=1)
    for row, place in enumerate(places.tolist()):
        assert revised[row][: place + 1] == [*WRITTEN[row][:place], int(words[row])]
    assert revised == revise(student, teacher, PROMPTS, WRITTEN, end=2, seed=1)


def test_who_agrees_with_the_teacher_is_left_alone() -> None:
    student, teacher = models()
    prompt, greedy = [1, 9], list[int]()
    for _ in range(5):
        logits = teacher(input_ids=torch.tensor([[*prompt, *greedy]])).logits
        greedy.append(int(logits[0, -1].argmax()))
    assert revise(student, teacher, [prompt], [greedy], end=2, seed=1) == [greedy]


def test_a_batch_of_the_student_has_the_prompts_of_the_data() -> None:
    student, teacher = models()
    sampler = RevisedSampler(1.0, vocabulary(), teacher)
    ids = torch.tensor([[1, 9, 8, 5, 2], [1, 7, 5, 2, 0]])
    torch.manual_seed(1)
    made = sampler({"input_ids": ids, "prompt": torch.tensor([3, 2])}, student)
    assert made["input_ids"][0, :3].tolist() == [1, 9, 8]
    assert made["input_ids"][1, :2].tolist() == [1, 7]
    assert not made["mask"][0, :2].any()
    assert bool(made["mask"][0, 2])
    assert list(sampler.parameters()) == []


def test_noise_is_in_answers_alone() -> None:
    clean = answers(LANGUAGE, LANGUAGE.sequences("train", count=300))
    noisy = with_noise(clean, 0.1, LANGUAGE.vocabulary)
    changed = total = 0
    for before, after in zip(clean, noisy, strict=True):
        assert after.input_ids[: before.prompt] == before.input_ids[: before.prompt]
        assert after.input_ids[-1] == 2
        changed += sum(a != b for a, b in zip(before.input_ids, after.input_ids, strict=True))
        total += len(before.input_ids) - before.prompt - 1
    assert 0.08 < changed / total < 0.12


def test_spans_are_noun_phrases() -> None:
    words, begins = span_words(LANGUAGE.vocabulary)
    ids = LANGUAGE.vocabulary.ids
    assert {ids["red"], ids["boat"], ids["boys"], ids["the"], ids["two"]} <= set(words)
    assert not {ids["throws"], ids["near"], ids["?"], ids["it"]} & set(words)
    assert set(begins) == {ids[word] for word in ("a", "an", "the", "his", "her")}


def test_repeated_pairs() -> None:
    assert repeated([5, 6, 7]) == 0.0
    assert repeated([5, 5, 5, 5]) == 1 - 1 / 3


def test_smoke(cache: Path, tmp_path: Path) -> None:
    found = smoke("dac-kl", tmp_path)
    assert list(found.arms) == [arm.name for arm in arms(LANGUAGE)]
    assert found.unequal_budgets() == {}
    assert set(found.metrics) == {
        "NLL",
        "KL to the teacher",
        "right answers",
        "teacher's NLL of what is learnt",
        "repeated pairs",
    }
    assert len(found.verdicts()) == 6
