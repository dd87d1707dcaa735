"""Time and memory of one training step with pictures: every method against labels alone, losses against torchdistill's.

    pip install --no-deps torchdistill
    python benchmarks/vision.py --student resnet

A step is forward, backward and AdamW of a small student, with what the teacher says looked up as in a training; each
contender has a process of its own with one thread. Time is processor time, the median over turns of the least of the
rounds; memory is the highest of the process beyond what it had before the first step. Losses are taken on the same
tensors, forward and backward; what is not installed is left out.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from limbeck.losses.divergence import forward_kl
from limbeck.losses.relations import rkd_angle, rkd_distance, similarity_preserving
from limbeck.methods.find import make_method, named_methods
from limbeck.systems.vision.compare import parse_arm
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.models import SHAPES
from limbeck.systems.vision.task import ImageTask, Told, hidden_of
from limbeck.teachers.live import LiveTeacher
from processes import NotMeasured, Step, is_child, medians, processor, take

LOSSES = ("KD", "RKD, distances and angles", "similarity-preserving")


def step_of(arm: str, student: str, batch_size: int) -> Step:
    """Forward and backward pass of an arm; ``"labels"`` is the one without a method."""
    torch.manual_seed(0)
    data = image_set("world", Sizes(train=batch_size, val=1, test=1, pool=1))
    classes = len(data.classes)
    network = SHAPES[f"{student}-student"].build(classes)
    methods = [] if arm == "labels" else [make_method(one) for one in parse_arm(arm, classes)]
    model = LiveTeacher(SHAPES["resnet-teacher"].build(classes), ("pixels",), hidden_of(methods)[1])
    told = Told(model, data.train)
    task = ImageTask(network, methods, told)
    batch = next(iter(data.train.batches(batch_size, shuffle=False)))
    with torch.no_grad():
        said = task.speak(batch)
    for method in methods:
        method.connect(said, told(batch))
        method.prepare(told, [batch])
    optimizer = torch.optim.AdamW(task.train().parameters(), lr=1e-4, fused=True)

    def step() -> Tensor:
        loss = sum((task.weights[name] * term.mean() for name, term in task(batch).items()), torch.zeros(()))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def loss_of(contender: str, name: str, items: int) -> Step:
    """A loss on random logits (100 classes) or features (64 and 128 wide), forward and backward."""
    generator = torch.Generator().manual_seed(0)
    kd = name == "KD"
    ours = torch.randn(items, 100 if kd else 64, generator=generator).requires_grad_()
    theirs = torch.randn(items, 100 if kd else 128, generator=generator)
    if contender == "limbeck":
        value: dict[str, Step] = {
            "KD": lambda: 16 * forward_kl(ours, theirs, temperature=4.0).mean(),
            "RKD, distances and angles": lambda: rkd_distance(ours, theirs).mean() + rkd_angle(ours, theirs).mean(),
            "similarity-preserving": lambda: similarity_preserving(ours, theirs).mean(),
        }
        found = value[name]
    else:
        from torchdistill.losses import mid_level

        made: dict[str, Callable[[], Any]] = {
            "KD": lambda: mid_level.KDLoss("s", "output", "t", "output", temperature=4.0, alpha=0.0),
            "RKD, distances and angles": lambda: mid_level.RKDLoss("s", "t", 1.0, 1.0, "mean"),
            "similarity-preserving": lambda: mid_level.SPKDLoss("s", "t", "batchmean"),
        }
        criterion = made[name]()
        found = lambda: criterion({"s": {"output": ours}}, {"t": {"output": theirs}})  # noqa: E731

    def step() -> Tensor:
        loss = found()
        loss.backward()
        return loss.detach()

    return step


def measure(rounds: int, **given: Any) -> dict[str, float]:
    return take(loss_of(**given) if "contender" in given else step_of(**given), rounds)


def methods_table(options: argparse.Namespace) -> None:
    print(f"\nStep of a {options.student}, {options.batch} pictures\n")
    print("| arm | ms | of labels | MiB |\n| --- | --- | --- | --- |")
    refused = {}
    first = 0.0
    for arm in ["labels", *(options.arms or named_methods())]:
        given = {"arm": arm, "student": options.student, "batch_size": options.batch, "rounds": options.rounds}
        try:
            found = medians(options.turns, **given)
        except NotMeasured as why:
            refused[arm] = why
            continue
        first = first or found["seconds"]
        ms, ratio = 1000 * found["seconds"], found["seconds"] / first
        print(f"| {arm} | {ms:.1f} | {ratio:.2f} | {found['mib']:.0f} |", flush=True)
    for arm, why in refused.items():
        print(f"\nNot measured: {arm}: {why}")


def losses_table(options: argparse.Namespace) -> None:
    if importlib.util.find_spec("torchdistill") is None:
        print("\nNo torchdistill is installed: losses are not compared.")
        return
    print("\n| loss | ours, ms | theirs, ms | theirs / ours | values |\n| --- | --- | --- | --- | --- |")
    for name in LOSSES:
        try:
            ours, theirs = (
                medians(options.turns, contender=one, name=name, items=options.batch, rounds=10 * options.rounds)
                for one in ("limbeck", "torchdistill")
            )
        except NotMeasured as why:
            print(f"| {name} | {why} | | | |")
            continue
        ratio, values = theirs["seconds"] / ours["seconds"], f"{ours['value']:.5g}, {theirs['value']:.5g}"
        print(f"| {name} | {1000 * ours['seconds']:.2f} | {1000 * theirs['seconds']:.2f} | {ratio:.2f} | {values} |")


def main() -> None:
    if is_child(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arms", nargs="*", help="as for `limbeck compare`; by default every method by its name alone")
    parser.add_argument("--student", default="resnet", choices=("resnet", "vit", "mixer"))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10, help="in a process")
    parser.add_argument("--turns", type=int, default=3, help="processes a contender")
    options = parser.parse_args()
    date = datetime.datetime.now(datetime.UTC).date()
    print(f"{processor()}, one thread; PyTorch {torch.__version__}; {date}")
    methods_table(options)
    losses_table(options)


if __name__ == "__main__":
    main()
