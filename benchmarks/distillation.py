"""Time and memory of one step of a language model: labels alone, a live teacher, a stored one, and others' losses.

    pip install --no-deps trl torchdistill
    python benchmarks/distillation.py --vocabulary 8000 --width 256 --layers 4
    python benchmarks/distillation.py --memory 32000 128000 --length 256

All train the same student on the same batches in one process, one thread, by turns: forward, backward, AdamW. Time is
processor time, the least of the rounds. TRL's is its generalised JSD at beta 0.5, torchdistill's its KDLoss, each
in a loop that is otherwise ours; what is not installed is left out. With ``--memory`` it is, for each vocabulary, the
highest memory of a forward and backward pass beyond what was there before it, with whole logits and in chunks, each in
a process of its own.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
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
from limbeck.methods.base import Method
from limbeck.methods.find import make_method
from limbeck.models.heads import take_apart
from limbeck.teachers.store.reader import StoredTeacher
from limbeck.teachers.store.settings import StoreSettings
from limbeck.teachers.store.write import write_store
from processes import ask, is_child, processor

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


def ours(
    student: Any, teacher: Any, method: Method | None, *, labels: float = 0.0, chunks: bool = False
) -> Callable[[Batch], Tensor]:
    head = take_apart(student, "student") if chunks else None
    task = DistillTask("causal-lm", student, teacher, method, cross_entropy=labels, head=head).train()
    return lambda batch: sum((task.weights[name] * term.mean() for name, term in task(batch).items()), torch.zeros(()))


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
    linear = live_teacher(teacher, "causal-lm", kl, take_apart(teacher, "teacher"))
    write_store(live, data, store, StoreSettings(keep="top-k", k=args.k), name="teacher", progress=False)
    made: dict[str, Callable[[Any], Callable[[Batch], Tensor]]] = {
        "labels alone": lambda student: ours(student, None, None, labels=1.0),
        "labels alone, in chunks": lambda student: ours(student, None, None, labels=1.0, chunks=True),
        f"forward KL, stored top {args.k}": lambda student: ours(student, StoredTeacher(store), kl),
        "forward KL, live": lambda student: ours(student, live, kl),
        "forward KL, live, in chunks": lambda student: ours(student, linear, kl, chunks=True),
        "forward KL and labels, live": lambda student: ours(student, live, kl, labels=0.5),
        "forward KL and labels, live, in chunks": lambda student: ours(student, linear, kl, labels=0.5, chunks=True),
        "JSD, live": lambda student: ours(student, live, js),
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


def memory(args: argparse.Namespace) -> None:
    """Print a table of the first step's memory."""
    print(f"{args}\n{processor()}, torch {torch.__version__}, {datetime.date.today()}")
    print("| vocabulary | whole, MiB | in chunks, MiB | ratio |\n| --- | ---: | ---: | ---: |")
    sizes = {name: getattr(args, name) for name in ("width", "layers", "batch", "length")}
    for vocabulary in args.memory:
        found = [ask(vocabulary=vocabulary, chunks=chunks, **sizes) for chunks in (False, True)]
        print(f"| {vocabulary:,} | {found[0]:,.0f} | {found[1]:,.0f} | {found[1] / found[0]:.2f} |", flush=True)


def step_memory(vocabulary: int, chunks: bool, width: int, layers: int, batch: int, length: int) -> float:
    """MiB of forward and backward pass by a live teacher and labels, beyond weights and data."""
    teacher, student = model(vocabulary, 2 * width, layers).eval(), model(vocabulary, width, layers)
    head = take_apart(teacher, "teacher") if chunks else None
    method = make_method({"name": "logits"})
    loss = ours(student, live_teacher(teacher, "causal-lm", method, head), method, labels=0.5, chunks=chunks)
    (data,) = batches(1, batch, length, vocabulary)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    # What making the models took at its height must not hide what the step takes.
    Path("/proc/self/clear_refs").write_text("5")
    loss(data).backward()
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 2**10 - pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    if is_child(step_memory):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("vocabulary", 8000), ("width", 256), ("layers", 4), ("k", 64), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--memory", type=int, nargs="*", metavar="VOCABULARY", help="measure memory, not time")
    args = parser.parse_args()
    if args.memory:
        memory(args)
        return
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
    print(f"{args}\n{processor()}, torch {torch.__version__}, {datetime.date.today()}")
    base = min(times["labels alone"])
    print("| step | ms | of labels alone |\n| --- | ---: | ---: |")
    for name, found in times.items():
        print(f"| {name} | {1e3 * min(found):.0f} | {min(found) / base:.2f} |")


if __name__ == "__main__":
    main()
