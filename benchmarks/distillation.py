"""Time of one step of a language model: labels alone, a live teacher, a stored one, and others' losses.

    pip install --no-deps trl torchdistill
    python benchmarks/distillation.py --vocabulary 8000 --width 256 --layers 4

All train the same student on the same batches in one process, one thread, by turns: forward, backward, AdamW. Time is
processor time, the least of the rounds. TRL's is its generalised JSD at beta 0.5, torchdistill's its KDLoss, each
in a loop that is otherwise ours; what is not installed is left out.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from limbeck.batch import IGNORED
from limbeck.distill.task import DistillTask, live_teacher
from limbeck.methods.find import make_method
from limbeck.methods.logits import LogitDistillation
from limbeck.teachers.store.reader import StoredTeacher
from limbeck.teachers.store.settings import StoreSettings
from limbeck.teachers.store.write import write_store

Batch = dict[str, Tensor]


def model(vocabulary: int, width: int, layers: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=layers,
            num_attention_heads=width // 32,
            num_key_value_heads=width // 32,
        )
    )


def batches(number: int, size: int, length: int, vocabulary: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(1)
    made = []
    for at in range(number):
        ids = torch.randint(vocabulary, (size, length), generator=generator)
        targets = torch.cat([ids[:, 1:], torch.full((size, 1), IGNORED)], 1)
        made.append(
            {
                "input_ids": ids,
                "attention_mask": torch.ones_like(ids),
                "targets": targets,
                "mask": targets != IGNORED,
                "row": torch.arange(at * size, (at + 1) * size),
            }
        )
    return made


def ours(student: Any, teacher: Any, method: LogitDistillation | None) -> Callable[[Batch], Tensor]:
    task = DistillTask("causal-lm", student, teacher, method, cross_entropy=0.0 if method else 1.0).train()
    return lambda batch: sum((term.mean() for term in task(batch).values()), torch.zeros(()))


def trl(student: Any, teacher: Any) -> Callable[[Batch], Tensor]:
    from trl.experimental.gkd import GKDTrainer

    def loss(batch: Batch) -> Tensor:
        logits = student(input_ids=batch["input_ids"], use_cache=False).logits
        with torch.no_grad():
            theirs = teacher(input_ids=batch["input_ids"], use_cache=False).logits
        found: Tensor = GKDTrainer.generalized_jsd_loss(logits, theirs, labels=batch["targets"], beta=0.5)
        return found

    return loss


def torchdistill(student: Any, teacher: Any) -> Callable[[Batch], Tensor]:
    from torchdistill.losses.mid_level import KDLoss

    criterion = KDLoss("s", "output", "t", "output", temperature=1.0, alpha=0.0)

    def loss(batch: Batch) -> Tensor:
        counted = batch["mask"]
        logits = student(input_ids=batch["input_ids"], use_cache=False).logits[counted]
        with torch.no_grad():
            theirs = teacher(input_ids=batch["input_ids"], use_cache=False).logits[counted]
        found: Tensor = criterion({"s": {"output": logits}}, {"t": {"output": theirs}})
        return found

    return loss


def contenders(args: argparse.Namespace, data: list[Batch], store: Path) -> dict[str, Callable[[], float]]:
    """Each takes one step and tells its processor time."""
    teacher = model(args.vocabulary, 2 * args.width, args.layers).eval()
    kl, js = make_method({"name": "logits"}), make_method({"name": "logits", "divergence": "generalized_js"})
    live = live_teacher(teacher, "causal-lm", kl)
    write_store(live, data, store, StoreSettings(keep="top-k", k=args.k), name="teacher", progress=False)
    made: dict[str, Callable[[Any], Callable[[Batch], Tensor]]] = {
        "labels alone": lambda student: ours(student, None, None),
        f"forward KL, stored top {args.k}": lambda student: ours(student, StoredTeacher(store), kl),  # type: ignore[arg-type]
        "forward KL, live": lambda student: ours(student, live, kl),  # type: ignore[arg-type]
        "JSD, live": lambda student: ours(student, live, js),  # type: ignore[arg-type]
    }
    if importlib.util.find_spec("torchdistill"):
        made["forward KL, torchdistill"] = lambda student: torchdistill(student, teacher)
    if importlib.util.find_spec("trl"):
        made["JSD, TRL"] = lambda student: trl(student, teacher)
    return {name: _stepper(make, args, data) for name, make in made.items()}


def _stepper(
    make: Callable[[Any], Callable[[Batch], Tensor]], args: argparse.Namespace, data: list[Batch]
) -> Callable[[], float]:
    student = model(args.vocabulary, args.width, args.layers).train()
    loss = make(student)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, fused=True)
    taken = 0

    def step() -> float:
        nonlocal taken
        batch = data[taken % len(data)]
        taken += 1
        start = time.process_time()
        loss(batch).backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.process_time() - start

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("vocabulary", 8000), ("width", 256), ("layers", 4), ("k", 64), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=128)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = batches(3, args.batch, args.length, args.vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        steps = contenders(args, data, Path(folder) / "store")
        times: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(args.rounds + 1):
            for name, step in steps.items():
                taken = step()
                if number:  # the first pays for what is made once
                    times[name].append(taken)
    print(f"{args}\n{platform.processor() or platform.machine()}, torch {torch.__version__}, {datetime.date.today()}")
    base = min(times["labels alone"])
    print("| step | ms | of labels alone |\n| --- | ---: | ---: |")
    for name, found in times.items():
        print(f"| {name} | {1e3 * min(found):.0f} | {min(found) / base:.2f} |")


if __name__ == "__main__":
    main()
