"""DistillNearest and DistillWeighted: which of several networks for other tasks shall teach a task with few labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.evaluation.transferability import SCORES, spearman
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.measures import features_of, right
from limbeck.systems.vision.models import SHAPES, Shape
from limbeck.systems.vision.pretrained import Pretrained
from limbeck.systems.vision.semi_supervised import Labeller, Mixture, few_labels, fixmatch, linear_head
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, run_all, trained
from limbeck.systems.vision.zoo import SOURCES, source_data

SOURCE, STUDENT = Shape("resnet", (24, 48, 64)), SHAPES["resnet-student"]
LABEL_WEIGHT = 0.2
"""Lambda. It and the power of the method are from a few values, by validation pictures."""
POWERS = {"weighted-1": 1.0, "weighted-4": 4.0, "weighted-12": 12.0}
METHOD = "weighted-4"
VALIDATION, RANKS = Accuracy("validation accuracy"), Mean("rank correlation")


@system(
    slug="distillweighted",
    title="Distilling from Similar Tasks for Transfer Learning on a Budget",
    year=2023,
    arxiv="2304.12314",
    domain="vision",
    needs=("logits", "features"),
    claim="The fit of features to few labels tells which networks shall label the rest; weights are better still.",
)
def distillweighted(
    lab: Lab,
    *,
    labels: int = 4,
    unlabelled: int | None = None,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """Networks for other tasks label what a target task left unlabelled, each as much as its features fit the task.

    Of each source s the features of a few labelled pictures give its fit ``e_s`` (PARC; CKA, k nearest
    neighbours) and a logistic head, which labels the unlabelled pictures once. The student learns from
    ``lambda CE(labels) + (1 - lambda) CE(sum_s a_s h_s(u), student(u))``, ``a_s = e_s^p / sum_j e_j^p``, e brought to
    [0, 1]: DistillWeighted; p = 0 is equal weights, and the limit of great p the best source alone: DistillNearest.

    The target are the world's 12 kinds; of the zoo two networks know half of them each, others know six of them with
    light and dark exchanged, materials, settings, and labels without sense. Arms: labels only; a generic network
    (materials) fine-tuned; FixMatch; each source; the nearest by each score; one at random (their mean); the worst by
    PARC; the best by validation pictures; equal weights; p of 1, 4, 12. The equations are unverified against code: none
    is public. Students begin at random, where the paper's are pre-trained.
    """
    few = lab.pick(smoke=200, default=2400, full=8000)
    sizes = Sizes(
        unlabelled or few, *lab.pick(smoke=(24, 24, 60), default=(1000, 2000, 4000), full=(2000, 4000, 20_000))
    )
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=2, default=400, full=3000) if steps is None else steps)
    long = Budget(lab.pick(smoke=2, default=600, full=6000), lr=2e-3)
    # Before anything is trained: there may be too few pictures to label.
    parts = {
        seed: few_labels(image_set(sizes=replace(sizes, pool=1), seed=seed, judged_by=judged_by).without_pool(), labels)
        for seed in lab.seeds
    }
    zoo = {name: image_teacher(lab, SOURCE, source_data(one, sizes), long) for name, one in SOURCES.items()}
    generic = image_teacher(lab, STUDENT, source_data(SOURCES["material"], sizes), long)
    findings, jobs, fits = Findings(), [], {}
    for seed, (data, labelled) in parts.items():
        heads = {}
        for name, network in zoo.items():
            features = features_of(network, labelled, lab.device)
            fits[seed, name] = {key: score(_array(features), labelled.labels.numpy()) for key, score in SCORES.items()}
            heads[name] = Labeller(network, *linear_head(features, labelled.labels, len(data.classes)))
        base = Job("labels", "baseline", "labels only", seed, STUDENT, data, budget, device=lab.device)
        warm = Pretrained.of(STUDENT, generic.state_dict(), leave=("head.",))
        jobs += [
            base,
            replace(base, arm="generic", title="a generic network, fine-tuned", student=warm),
            replace(base, arm="fixmatch", title="FixMatch"),
        ]
        parcs = [fits[seed, name]["parc"] for name in zoo]
        taught: dict[str, tuple[Any, ...]] = {
            f"source-{name}": ("ablation", f"from {name}", [head], None) for name, head in heads.items()
        }
        taught["equal"] = ("baseline", "equal weights", list(heads.values()), None)
        for arm, power in POWERS.items():
            role = "method" if arm == METHOD else "ablation"
            taught[arm] = (role, f"DistillWeighted, p = {power:g}", list(heads.values()), weights_of(parcs, power))
        for arm, (role, title, sources, weights) in taught.items():
            jobs.append(
                replace(
                    base, arm=arm, role=role, title=title, teacher=Mixture(sources, weights), label_weight=LABEL_WEIGHT,
                    methods=({"name": "pseudo-labels", "weight": 1 - LABEL_WEIGHT},),
                )
            )  # fmt: skip
    found = run_all(lab, findings, jobs, workers, run=measured)
    for seed in lab.seeds:
        by_arm = {job.arm: result for job, result in found.items() if job.seed == seed}
        _choices(
            findings, seed, {name: by_arm[f"source-{name}"] for name in zoo}, {name: fits[seed, name] for name in zoo}
        )
    _claims(findings)
    return findings


def weights_of(fits: Sequence[float], power: float) -> list[float]:
    """``e^p / sum e^p`` of fits brought to [0, 1]; all alike where the fits are.

    Example:
        >>> weights_of([0.1, 0.3, 0.5], 1.0)
        [0.0, 0.3333333333333333, 0.6666666666666666]
    """
    fit = np.asarray(fits, dtype=np.float64)
    span = fit.max() - fit.min()
    scaled = ((fit - fit.min()) / span if span > 0 else np.ones_like(fit)) ** power
    return [float(one) for one in scaled / scaled.sum()]


def measured(job: Job) -> Measured:
    """Accuracy on the judging pictures, and on validation pictures for the choice that looks at them."""
    network, spent = fixmatch(job) if job.arm == "fixmatch" else trained(job)
    columns = {
        Accuracy().name: right(network, job.judges, job.device),
        VALIDATION.name: (VALIDATION, right(network, job.data.val, job.device)[1]),
    }
    return Measured(columns, spent, parameters_of(network))


def _choices(
    findings: Findings, seed: int, results: Mapping[str, Measured], fits: Mapping[str, Mapping[str, float]]
) -> None:
    """Arms that are one of the sources: by a score, at random, the worst, the best."""
    accuracy = Accuracy().name
    scores = {name: VALIDATION.score(result.columns[VALIDATION.name][1]) for name, result in results.items()}
    picks = {f"nearest-{key}": max(fits, key=lambda name: fits[name][key]) for key in SCORES}
    picks |= {"worst": min(fits, key=lambda name: fits[name]["parc"]), "oracle": max(scores, key=scores.__getitem__)}
    titles = {"worst": "the worst by PARC", "oracle": "the best by validation pictures"}
    first = next(iter(results.values()))
    for arm, name in picks.items():
        role: Role = "method" if arm == "nearest-parc" else "baseline" if arm in titles else "ablation"
        title = titles.get(arm, f"DistillNearest by {arm.removeprefix('nearest-')}")
        findings.declare(arm, role=role, title=title, parameters=first.parameters)
        for column, (metric, statistics) in results[name].columns.items():
            findings.add(arm, metric, seed, statistics, column=column)
    findings.declare("random", role="baseline", title="a source at random", parameters=first.parameters)
    findings.add("random", Accuracy(), seed, np.mean([one.columns[accuracy][1] for one in results.values()], axis=0))
    # A random order of the sources has a rank correlation of 0 with any other, in the mean.
    findings.add("random", RANKS, seed, RANKS.of([0.0]))
    reached = np.array([Accuracy().score(result.columns[accuracy][1]) for result in results.values()])
    for key in SCORES:
        order = spearman(np.array([fits[name][key] for name in results]), reached)
        findings.add(f"nearest-{key}", RANKS, seed, RANKS.of([order]))


def _claims(findings: Findings) -> None:
    accuracy = Accuracy().name
    findings.claim_all(
        ("DistillWeighted is better than equal weights", METHOD, "equal", accuracy),
        ("DistillWeighted is at least as good as DistillNearest", METHOD, "nearest-parc", accuracy, -0.5),
        ("DistillNearest is better than a source at random", "nearest-parc", "random", accuracy),
        ("DistillNearest is better than the worst source", "nearest-parc", "worst", accuracy),
        ("DistillWeighted is better than a generic network, fine-tuned", METHOD, "generic", accuracy),
        ("DistillWeighted is better than FixMatch", METHOD, "fixmatch", accuracy),
        ("DistillWeighted is better than labels only", METHOD, "labels", accuracy),
        ("PARC orders the sources as their students are good (over 0.5)", "nearest-parc", "random", RANKS.name, 0.5),
    )


def _array(features: Tensor) -> Any:
    return features.double().numpy()
