"""What a training does to the weights: steps, accumulation, clipping, precision and seeds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from limbeck.batch import Batch
from limbeck.losses.term import Term, empty_term
from limbeck.training.loop import fit
from limbeck.training.task import Task
from limbeck.training.weights import own_state, snapshot
from tests.training.toys import Line, Sentences, TaggingTask, line_batches, plain, sentences


def test_loss_falls_and_history_tells_it() -> None:
    task = TaggingTask()
    history = fit(task, sentences(), plain(epochs=30, log_every=8), progress=False)
    assert history.steps == 240
    assert history.epochs == 30
    assert history.stopped == "epochs"
    assert history.log[-1]["ce"] < 0.3 * history.log[0]["ce"]
    assert history.log[0].keys() >= {"step", "epoch", "lr", "loss", "ce", "mse", "grad_norm", "tokens_per_second"}
    assert history.log[0]["loss"] == pytest.approx(history.log[0]["ce"] + 0.3 * history.log[0]["mse"])


def test_one_step_is_adamw_on_the_weighted_means() -> None:
    task, reference = TaggingTask(), TaggingTask()
    batch = next(iter(sentences(16, shuffle=False)))
    fit(task, [batch], plain(epochs=1, lr=0.1, weight_decay=0.1), progress=False)
    terms = reference(batch)
    (terms["ce"].mean() + 0.3 * terms["mse"].mean()).backward()
    learning = [p for p in reference.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in learning if p.ndim == 1], "weight_decay": 0.0},
    ]
    torch.optim.AdamW(groups, lr=0.1).step()
    torch.testing.assert_close(own_state(task), own_state(reference))


def test_each_step_has_the_rate_of_its_schedule() -> None:
    plan = plain(lr=0.1, warmup=3, schedule="linear", min_lr=0.01, log_every=1)
    history = fit(Line(), line_batches(), plan, progress=False)
    # A third of the way up at the first step, the peak at the third, and then down to the floor at the eighth.
    expected = [0.1 / 3, 0.2 / 3, 0.1, 0.082, 0.064, 0.046, 0.028, 0.01]
    assert [row["lr"] for row in history.log] == pytest.approx(expected)


def test_the_first_step_is_as_long_as_its_rate() -> None:
    """AdamW's first step has the length of the rate, whatever the gradient."""
    task = Line()
    fit(task, line_batches(), plain(lr=0.1, warmup=4, epochs=None, max_steps=1), progress=False)
    assert task.slope.item() == pytest.approx(0.1 / 4)


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulation_gives_the_weights_of_the_whole_batch(accumulate: int) -> None:
    whole, split = TaggingTask(), TaggingTask()
    fit(whole, sentences(16, shuffle=False), plain(), progress=False)
    micro = sentences(16 // accumulate, shuffle=False)
    history = fit(split, micro, plain(accumulate=accumulate, log_every=1), progress=False)
    assert history.steps == 4
    for name, value in snapshot(whole).items():
        torch.testing.assert_close(snapshot(split)[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_mean_of_means_would_differ() -> None:
    """What the two tests around this one can see: the halves of a batch have unequal counts."""
    counts = [float(TaggingTask()(batch)["ce"].count) for batch in sentences(4, shuffle=False)]
    assert len(set(counts[:4])) > 1


def test_last_group_of_an_epoch_may_be_short() -> None:
    history = fit(TaggingTask(), sentences(4), plain(accumulate=3), progress=False)
    assert history.steps == 2 * 3


class Empty(Line):
    def forward(self, batch: Batch) -> dict[str, Term]:
        terms = super().forward(batch)
        return terms | {"rare": empty_term(self.slope)}


def test_term_over_nothing_adds_nothing() -> None:
    with_term, without = Empty({"squares": 1.0, "rare": 5.0}), Line()
    for task in (with_term, without):
        fit(task, line_batches(), plain(), progress=False)
    assert torch.equal(with_term.slope, without.slope)


def test_max_steps_ends_the_run_midway() -> None:
    history = fit(Line(), line_batches(), plain(epochs=None, max_steps=6), progress=False)
    assert (history.steps, history.epochs, history.stopped) == (6, 1, "max_steps")


def test_clipping_bounds_the_step() -> None:
    history = fit(Line(), line_batches(), plain(clip=1e-3, log_every=1), progress=False)
    assert history.log[0]["grad_norm"] > 1
    task = Line()
    fit(task, line_batches(1), plain(clip=1e-12, epochs=1, eps=1.0), progress=False)
    assert 0 < abs(task.slope.item()) < 1e-12


def test_bf16_stays_near_fp32() -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        task = TaggingTask()
        losses[precision] = fit(task, sentences(), plain(epochs=5, precision=precision), progress=False).log[-1]["loss"]
        assert all(value.dtype == torch.float32 for value in task.parameters())
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert losses["bf16"] != losses["fp32"]


def test_same_seed_same_weights_other_seed_other_weights() -> None:
    states = []
    for seed in (0, 0, 1):
        task = TaggingTask(dropout=0.3)
        fit(task, sentences(), plain(seed=seed), progress=False)
        states.append(snapshot(task))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["layer.weight"], states[2]["layer.weight"])


class Normed(Task):
    def __init__(self) -> None:
        super().__init__({"ce": 1.0})
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(9, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

    def forward(self, batch: Batch) -> dict[str, Term]:
        return {"ce": Term.over(self.net(batch["ids"].float()) ** 2)}


def test_asking_for_counts_leaves_buffers_and_randomness() -> None:
    task = Normed().train()
    batch = {"ids": Sentences().ids[:5]}
    before, state = snapshot(task), torch.get_rng_state()
    assert float(task.counts(batch)["ce"]) == 10
    assert all(torch.equal(value, snapshot(task)[name]) for name, value in before.items())
    assert torch.equal(state, torch.get_rng_state())
