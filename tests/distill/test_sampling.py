"""Batches that the student writes: whose words they are, what of them is learnt, and what is kept of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig

from limbeck.batch import IGNORED
from limbeck.cli.app import execute
from limbeck.distill.batches import Collator
from limbeck.distill.config import DistillConfig, Sampling
from limbeck.distill.examples import next_tokens
from limbeck.distill.prepare import prepare
from limbeck.distill.sampling import WRITTEN, StudentSampler
from limbeck.models.generation import continuations
from tests.distill.toys import causal, project, tokenizer, write_jsonl

PROMPTS = [[6, 7, 8], [9], [10, 11]]


def student(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return causal()


def sampler(**settings: Any) -> StudentSampler:
    return StudentSampler(Sampling(**{"share": 1.0, "max_new_tokens": 5} | settings), tokenizer(), 12)


def of_prompts() -> dict[str, Tensor]:
    examples = [next_tokens([*prompt, 12, 13, 1], prompt=len(prompt)) for prompt in PROMPTS]
    return dict(Collator("causal-lm", 0)(list(enumerate(examples))))


def test_the_student_goes_on_with_the_prompts_and_that_alone_counts() -> None:
    model = student()
    torch.manual_seed(5)
    assert torch.rand(()) < 1.0  # what decides about share and replay is drawn first
    assert torch.rand(()) < 1.0
    expected = continuations(model, PROMPTS, pad=0, do_sample=True, max_new_tokens=5, eos_token_id=1)
    torch.manual_seed(5)
    batch = sampler()(of_prompts(), model)
    for row, (prompt, written) in enumerate(zip(PROMPTS, expected, strict=True)):
        text = [*prompt, *(written[: written.index(1) + 1] if 1 in written else written)]
        assert batch["input_ids"][row, : len(text)].tolist() == text
        assert int(batch["attention_mask"][row].sum()) == len(text)
        begin = len(prompt) - 1
        assert batch["targets"][row, begin : len(text) - 1].tolist() == text[len(prompt) :]
        assert int((batch["targets"][row] != IGNORED).sum()) == len(text) - len(prompt)
        assert torch.equal(batch["mask"][row], batch["targets"][row] != IGNORED)
    assert bool(batch[WRITTEN].all())


def test_without_a_share_the_batch_is_the_data() -> None:
    given = of_prompts()
    assert sampler(share=0.0)(given, student()) is given


def test_samples_are_kept_as_they_were_and_come_back() -> None:
    made = sampler(policy="adaptive", replay=4)
    made.share.fill_(1.0)
    written = made(of_prompts(), student())
    texts = {tuple(ids[: int(real.sum())].tolist()) for ids, real in zip(*_read(written), strict=True)}
    made.fresh.fill_(0.0)
    again = made(of_prompts(), student(1))
    for ids, real, counted in zip(*_read(again), again["mask"], strict=True):
        text = ids[: int(real.sum())].tolist()
        assert tuple(text) in texts
        (prompt,) = (prompt for prompt in PROMPTS if text[: len(prompt)] == prompt)
        assert int(counted.sum()) == len(text) - len(prompt)
    other = sampler(policy="adaptive", replay=4)
    other.load_state_dict(made.state_dict())  # as a run that goes on
    first, second = student(1), student(2)
    torch.manual_seed(3)
    replayed = made(of_prompts(), first)
    torch.manual_seed(3)
    assert torch.equal(other(of_prompts(), second)["input_ids"], replayed["input_ids"])


def _read(batch: Any) -> tuple[Tensor, Tensor]:
    return batch["input_ids"], batch["attention_mask"]


def test_the_share_rises_when_validation_gets_worse_and_at_no_other_time() -> None:
    made = sampler(policy="adaptive", share=0.25)
    shares = []
    for loss in (3.0, 2.0, 2.5, 2.5, 2.6, 2.7, 2.0):
        made.heed(loss)
        shares.append(round(float(made.share), 3))
    assert shares == [0.0, 0.0, 0.1, 0.1, 0.2, 0.25, 0.25]
    constant = sampler(share=0.25)
    constant.heed(1.0)
    constant.heed(2.0)
    assert float(constant.share) == 0.25


@pytest.mark.parametrize("chunk", ["auto", "null"])
def test_own_words_are_judged_by_the_teacher_and_are_no_labels(tmp_path: Path, chunk: str) -> None:
    changes = ["sampling={share: 1.0, max_new_tokens: 4}", "cross_entropy=1.0", f"chunk={chunk}"]
    task = prepare(DistillConfig.read_changed(project(tmp_path), changes)).task.train()
    given = next(iter(prepare(DistillConfig.read_changed(project(tmp_path), changes)).splits.train.loader()))
    drawn = task.draw(given)
    written, data = task(drawn), task(given)
    assert float(written["cross_entropy"].total.detach()) == 0.0
    assert float(written["cross_entropy"].count) == float(written["forward_kl"].count) == float(drawn["mask"].sum())
    assert float(written["forward_kl"].total.detach()) > 0.0
    assert float(data["cross_entropy"].total.detach()) > 0.0


def test_what_is_drawn_does_not_obey_the_models_own_generation_settings() -> None:
    model = student()
    plain = continuations(model, PROMPTS * 20, pad=0, seed=1, do_sample=True, max_new_tokens=6)
    own = GenerationConfig(eos_token_id=1, pad_token_id=0, repetition_penalty=5.0, no_repeat_ngram_size=1, min_p=0.9)
    model.generation_config = own
    assert continuations(model, PROMPTS * 20, pad=0, seed=1, do_sample=True, max_new_tokens=6) == plain
    assert model.generation_config is own


@pytest.mark.parametrize("verb", [["validate"], ["distill", "--dry-run"]])
def test_rows_without_a_prompt_are_told_beforehand(
    tmp_path: Path, verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = project(tmp_path)
    write_jsonl(tmp_path / "train.jsonl", [{"text": "the red dog sleeps"} for _ in range(30)])
    write_jsonl(tmp_path / "val.jsonl", [{"text": "the red dog sleeps"} for _ in range(8)])
    assert execute([verb[0], str(path), "sampling={share: 0.5}", *verb[1:]]) == 2
    assert "train.jsonl, line 1: no prompt to go on with; 'sampling' needs" in capsys.readouterr().err
