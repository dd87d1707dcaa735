"""The language model that reads demonstrations, trained once, and what it says."""

from __future__ import annotations

from torch import nn

from limbeck.systems.incontext.networks import InContextReader
from limbeck.systems.incontext.tasks import mappings, prompts
from limbeck.systems.jobs import one_thread
from limbeck.systems.lab import Lab
from limbeck.systems.tables import Table
from limbeck.systems.taught import Taught
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan


def reader_of(lab: Lab) -> InContextReader:
    """A language model that answers by demonstrations, trained on tasks of its own.

    Args:
        lab: Keeps it.
    """
    steps, count = lab.pick(smoke=20, default=400, full=5000), lab.pick(smoke=200, default=20_000, full=100_000)
    plan = Plan(lr=3e-3, weight_decay=0.01, clip=1.0, max_steps=steps, schedule="cosine", warmup=steps // 10)
    recipe = {"network": "gpt 3 x 96", "tasks": count, "plan": plan.model_dump(mode="json")}

    def train(network: nn.Module) -> None:
        data = prompts(mappings(count, seed=4), 1, seed=4)
        task = Taught(network, ("demonstrations", "questions"))
        table = Table(demonstrations=data.demonstrations, questions=data.questions, labels=data.following)
        with one_thread():
            fit(task, table.batches(64), plan, accelerator=accelerator_on(lab.device), progress=False)

    reader = lab.teacher("in-context-reader", recipe, InContextReader, train)
    assert isinstance(reader, InContextReader)
    return reader
