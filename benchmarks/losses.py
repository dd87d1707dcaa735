"""Time and memory of the losses that run over a vocabulary, and of Sinkhorn, against what else there is.

    pip install 'limbeck[oracles]'; pip install --no-deps liger-kernel geomloss
    python benchmarks/losses.py --tokens 2048 4096 --vocabulary 32000

Every contender runs in a process of its own, by turns: forward and backward, one thread. Time is processor time, the
least of the rounds; memory is the highest of the process beyond what it had once its inputs were there. What is not
installed is left out. liger's chunked JSD runs without torch.compile, with the chunk of 1,024 tokens it comes with.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.losses.divergences import divergence
from limbeck.losses.linear import linear_divergence
from limbeck.losses.transport import sinkhorn_batchwise, sinkhorn_tokenwise
from limbeck.signals import LinearLogits
from processes import NotMeasured, Step, is_child, medians, processor, take

OURS = "limbeck, chunked"
LINEAR = {"forward_kl": (OURS, "limbeck, whole", "plain torch"), "generalized_js": (OURS, "plain torch", "liger")}
SINKHORN = ("limbeck", "POT, scalings", "POT, logarithms", "geomloss")
ROUNDS, EPSILON = 20, 0.1


def plain(name: str, student: Tensor, teacher: Tensor) -> Tensor:
    """As one would write it."""
    log_q, log_p = F.log_softmax(student, -1), F.log_softmax(teacher, -1)
    if name == "forward_kl":
        return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    log_m = torch.logsumexp(torch.stack([log_q, log_p]), 0) - np.log(2)
    parts = (F.kl_div(log_m, side, reduction="batchmean", log_target=True) for side in (log_p, log_q))
    return 0.5 * sum(parts, torch.zeros(()))


def linear(name: str, contender: str, tokens: int, vocabulary: int, width: int) -> Step:
    generator = torch.Generator().manual_seed(0)
    hidden, weight, other, head = (
        torch.randn(*shape, generator=generator).mul_(0.1)
        for shape in ((tokens, width), (vocabulary, width), (tokens, 2 * width), (vocabulary, 2 * width))
    )
    hidden.requires_grad_()
    weight.requires_grad_()
    if contender == OURS:
        student, teacher = LinearLogits(hidden, weight), LinearLogits(other, head)
        return lambda: linear_divergence(student, teacher, divergence=divergence(name)).mean()
    if contender == "liger":
        from liger_kernel.chunked_loss.jsd_loss import LigerFusedLinearJSDLoss

        loss = LigerFusedLinearJSDLoss(weight_hard_loss=0.0, weight_soft_loss=1.0, beta=0.5, compiled=False)
        labels = torch.zeros(tokens, dtype=torch.long)
        return lambda: loss(hidden, weight, other, head, labels)

    def whole() -> Tensor:
        with torch.no_grad():
            teacher = F.linear(other, head)
        student = F.linear(hidden, weight)
        return (
            plain(name, student, teacher) if contender == "plain torch" else divergence(name)(student, teacher).mean()
        )

    return whole


def sinkhorn(contender: str, items: int, classes: int) -> Step:
    student, teacher = torch.randn(2, items, classes, generator=torch.Generator().manual_seed(0)) * 3
    student.requires_grad_()
    if contender == "limbeck":
        return lambda: sinkhorn_batchwise(student, teacher).mean()
    masses = torch.full((items,), 1.0 / items)
    if contender == "geomloss":
        from geomloss import SamplesLoss

        def cost(a: Tensor, b: Tensor) -> Tensor:
            return torch.cdist(a, b, p=1.0)

        loss = SamplesLoss("sinkhorn", p=1, blur=EPSILON, scaling=0.8, debias=False, cost=cost, backend="tensorized")
        return lambda: loss(student.softmax(-1), teacher.softmax(-1))
    import ot

    method = "sinkhorn" if contender == "POT, scalings" else "sinkhorn_log"

    def transport() -> Tensor:
        distances = torch.cdist(student.softmax(-1), teacher.softmax(-1), p=1.0)
        plan = ot.sinkhorn(
            masses, masses, distances, EPSILON, method=method, numItermax=ROUNDS, stopThr=0.0, warn=False
        )
        return (plan * distances).sum()

    return transport


def tokenwise(contender: str, positions: int, classes: int, k: int) -> Step:
    student, teacher = torch.randn(2, positions, classes, generator=torch.Generator().manual_seed(0)) * 3
    student.requires_grad_()
    if contender == "limbeck":
        return lambda: sinkhorn_tokenwise(student, teacher, k=k).mean()
    ranks = torch.arange(k, dtype=torch.float32) / max(k - 1, 1)

    def likeliest() -> list[Tensor]:
        return [side.topk(k).values.softmax(-1) for side in (student, teacher)]

    if contender == "geomloss":
        from geomloss import SamplesLoss

        loss = SamplesLoss("sinkhorn", p=1, blur=EPSILON, scaling=0.8, debias=False, backend="tensorized")
        places = ranks.view(1, -1, 1).repeat(positions, 1, 1)

        def by_places() -> Tensor:
            ours, theirs = likeliest()
            return loss(ours, places, theirs, places).mean()

        return by_places
    from ot.batch import solve_batch

    method = "sinkhorn" if contender == "POT, scalings" else "log_sinkhorn"
    costs = (ranks.unsqueeze(1) - ranks).abs().expand(positions, -1, -1)

    def transport() -> Tensor:
        given = {"max_iter": ROUNDS, "tol": 0.0, "method": method, "grad": "autodiff"}
        return solve_batch(costs, EPSILON, *likeliest(), **given).value_linear.mean()

    return transport


def measure(kind: str, rounds: int, **given: Any) -> dict[str, float]:
    made: dict[str, Callable[..., Step]] = {"linear": linear, "sinkhorn": sinkhorn, "tokenwise": tokenwise}
    function = made[kind](**given)

    def step() -> Tensor:
        found = function()
        found.backward()
        return found.detach()

    return take(step, rounds)


def table(title: str, contenders: tuple[str, ...], options: argparse.Namespace, **given: Any) -> None:
    missing = {"liger": "liger_kernel", "geomloss": "geomloss", "POT, scalings": "ot", "POT, logarithms": "ot"}
    rows = {}
    for contender in contenders:
        if contender in missing and importlib.util.find_spec(missing[contender]) is None:
            continue
        try:
            rows[contender] = medians(options.turns, contender=contender, rounds=options.rounds, **given)
        except NotMeasured as why:
            print(f"{contender}: {why}", file=sys.stderr)
    first = next(iter(rows.values()))
    print(f"\n{title}\n\n| | seconds | ours is | MiB | ours takes | value |\n| --- | --- | --- | --- | --- | --- |")
    for contender, row in rows.items():
        faster, less = row["seconds"] / first["seconds"], first["mib"] / max(row["mib"], 0.1)
        print(
            f"| {contender} | {row['seconds']:.4g} | {faster:.2f}x as fast | {row['mib']:,.0f} | {less:.2f} of it "
            f"| {row['value']:.5f} |",
            flush=True,
        )


def main() -> None:
    if is_child(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="*", default=[2048, 8192])
    parser.add_argument("--vocabulary", type=int, nargs="*", default=[32_000, 128_000])
    parser.add_argument("--width", type=int, default=512, help="of the student; the teacher's is twice that")
    parser.add_argument("--items", type=int, nargs="*", default=[64, 512], help="of Sinkhorn's batch")
    parser.add_argument("--classes", type=int, nargs="*", default=[10, 1000])
    parser.add_argument("--positions", type=int, nargs="*", default=[2048], help="of Sinkhorn position by position")
    parser.add_argument("--ranks", type=int, nargs="*", default=[32], help="likeliest classes, of 1,000, at each")
    parser.add_argument("--rounds", type=int, default=2, help="in a process")
    parser.add_argument("--turns", type=int, default=1, help="processes a contender")
    options = parser.parse_args()
    date = datetime.datetime.now(datetime.UTC).date()
    print(f"{processor()}, one thread; PyTorch {torch.__version__}; {date}")
    for vocabulary in options.vocabulary:
        for tokens in options.tokens:
            for name, contenders in LINEAR.items():
                sizes = {"tokens": tokens, "vocabulary": vocabulary, "width": options.width}
                title = f"{name}, {tokens:,} tokens, vocabulary {vocabulary:,}"
                table(title, contenders, options, kind="linear", name=name, **sizes)
    for items in options.items:
        for classes in options.classes:
            title = f"Sinkhorn, {items} items, {classes:,} classes, {ROUNDS} rounds"
            table(title, SINKHORN, options, kind="sinkhorn", items=items, classes=classes)
    for positions in options.positions:
        for k in options.ranks:
            title = f"Sinkhorn, {positions:,} positions, {k} likeliest classes each, {ROUNDS} rounds"
            table(title, SINKHORN, options, kind="tokenwise", positions=positions, classes=1000, k=k)


if __name__ == "__main__":
    main()
