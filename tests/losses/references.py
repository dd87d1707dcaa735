"""Plain float64 references in numpy, from the equations, one value a counted item."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ids = NDArray[np.int64]


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def forward_kl(student: Array, teacher: Array) -> Array:
    q, p = softmax(student), softmax(teacher)
    return (p * np.log(p / q)).sum(-1)


def reverse_kl(student: Array, teacher: Array) -> Array:
    return forward_kl(teacher, student)


def jeffreys(student: Array, teacher: Array) -> Array:
    return (forward_kl(student, teacher) + reverse_kl(student, teacher)) / 2


def mixture(beta: float, *, of_teacher: float, of_student: float) -> Callable[[Array, Array], Array]:
    """``of_teacher KL(p, m) + of_student KL(q, m)`` with ``m = beta p + (1 - beta) q``."""

    def value(student: Array, teacher: Array) -> Array:
        q, p = softmax(student), softmax(teacher)
        m = beta * p + (1 - beta) * q
        return of_teacher * (p * np.log(p / m)).sum(-1) + of_student * (q * np.log(q / m)).sum(-1)

    return value


def normalized_l1(student: Array, teacher: Array) -> Array:
    first, second = (side / np.sqrt((side**2).sum(-1, keepdims=True)) for side in (student, teacher))
    return np.abs(first - second).mean(-1)


def total_variation(student: Array, teacher: Array) -> Array:
    return np.maximum(softmax(student) - softmax(teacher), 0).sum(-1)


def adaptive_kl(student: Array, teacher: Array) -> Array:
    values = []
    for z, t in zip(student, teacher, strict=True):
        q, p = softmax(z), softmax(t)
        head: list[int] = []
        for c in np.argsort(-p, kind="stable"):
            if p[head].sum() < 0.5:
                head.append(int(c))
        gap = np.abs(p - q)
        share = gap[head].sum() / gap.sum() if gap.sum() > 0 else 0.5
        values.append(share * forward_kl(z, t) + (1 - share) * reverse_kl(z, t))
    return np.array(values)


def topk_split(k: int) -> Callable[[Array, Array], Array]:
    def value(student: Array, teacher: Array) -> Array:
        values = []
        for q, p in zip(softmax(student), softmax(teacher), strict=True):
            order = np.argsort(-p)
            head, tail = order[:k], order[k:]
            first = q[head] * np.log(q[head] / p[head]) - q[head] + p[head]
            second = p[tail] * np.log(p[tail] / q[tail]) - p[tail] + q[tail]
            values.append(first.sum() + second.sum())
        return np.array(values)

    return value


def taid(t: float) -> Callable[[Array, Array], Array]:
    return lambda student, teacher: forward_kl(student, (1 - t) * student + t * teacher)


def decoupled_kd(student: Array, teacher: Array, labels: Ids) -> Array:
    values = []
    for z, t, label in zip(student, teacher, labels, strict=True):
        q, p = softmax(z), softmax(t)
        sides = [(p[label], q[label])]
        if len(z) > 1:
            sides.append((1 - p[label], 1 - q[label]))
        target = sum(a * np.log(a / b) for a, b in sides)
        others = np.delete(z, label), np.delete(t, label)
        values.append(target + 8.0 * (forward_kl(*others) if len(z) > 1 else 0.0))
    return np.array(values)


def dac_kl(student: Array, teacher: Array, lower: Array, upper: Array, targets: Ids) -> Array:
    values = []
    for z, t, low, high, target in zip(student, teacher, lower, upper, targets, strict=True):
        q, p = softmax(z), softmax(t)
        weight = np.zeros(len(p))
        for c in range(len(p)):
            place = ((p < p[c]).sum() + 0.5) / len(p)
            weight[c] = 1 / (1 + np.exp(-(place - low) / 0.05)) / (1 + np.exp(-(high - place) / 0.05))
        weight[target] = 1.0
        kept = (weight * p).sum()
        if kept < 0.5:
            weight = weight + (1 - weight) * (0.5 - kept) / (1 - kept)
        target_p, target_q = (weight * side / (weight * side).sum() for side in (p, q))
        values.append((target_p * np.log(target_p / target_q)).sum())
    return np.array(values)


def cross_entropy(logits: Array, labels: Ids) -> Array:
    counted = labels != -100
    return -np.log(softmax(logits[counted])[np.arange(counted.sum()), labels[counted]])


def universal(student: Array, teacher: Array) -> Array:
    q, p = -np.sort(-softmax(student)), -np.sort(-softmax(teacher))
    wide = max(q.shape[-1], p.shape[-1])
    q, p = (np.pad(side, ((0, 0), (0, wide - side.shape[-1]))) for side in (q, p))
    return np.abs(q - p).sum(-1)


def aligned(student: Array, teacher: Array, ours: Ids, theirs: Ids) -> Array:
    values = []
    for text in range(len(student)):
        for i, (begin, end) in enumerate(ours[text]):
            for j, (other_begin, other_end) in enumerate(theirs[text]):
                if end == other_end and begin < end and other_begin < other_end:
                    values.append(universal(student[text, i : i + 1], teacher[text, j : j + 1])[0])
    return np.array(values)


def sinkhorn_plan(cost: Array, a: Array, b: Array, epsilon: float = 0.1, iterations: int = 20) -> Array:
    plan = np.exp(-cost / epsilon)
    for _ in range(iterations):
        plan = plan * (a / plan.sum(1))[:, None]
        plan = plan * (b / plan.sum(0))[None, :]
    return plan


def sinkhorn_batchwise(student: Array, teacher: Array) -> Array:
    cost = np.abs(softmax(student)[:, None] - softmax(teacher)[None]).sum(-1)
    ones = np.ones(len(student))
    return (sinkhorn_plan(cost, ones, ones) * cost).sum(1)


def sinkhorn_tokenwise(k: int) -> Callable[[Array, Array], Array]:
    def value(student: Array, teacher: Array) -> Array:
        values = []
        for q, p in zip(softmax(student), softmax(teacher), strict=True):
            a, b = np.sort(q)[::-1][:k], np.sort(p)[::-1][:k]
            ranks = np.arange(len(a))
            cost = np.abs(ranks[:, None] - ranks) / max(len(a) - 1, 1)
            values.append((sinkhorn_plan(cost, a / a.sum(), b / b.sum()) * cost).sum())
        return np.array(values)

    return value


def cosine(a: Array, b: Array) -> Array:
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def attention(student: Array, teacher: Array) -> Array:
    return (teacher * np.log(teacher / student)).sum(-1).mean(1).ravel()


def linear_cka(student: Array, teacher: Array) -> Array:
    x, y = student - student.mean(0), teacher - teacher.mean(0)
    scale = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return np.array([1 - np.linalg.norm(y.T @ x) ** 2 / scale])


def huber(difference: Array) -> Array:
    size = np.abs(difference)
    return np.where(size < 1, size**2 / 2, size - 0.5)


def rkd_distance(student: Array, teacher: Array) -> Array:
    sides = []
    for x in (student, teacher):
        apart = np.array([np.linalg.norm(x[i] - x[j]) for i in range(len(x)) for j in range(i + 1, len(x))])
        sides.append(apart / apart.mean())
    return huber(sides[0] - sides[1])


def rkd_angle(student: Array, teacher: Array) -> Array:
    number, sides = len(student), []
    for x in (student, teacher):
        found = []
        for i in range(number):
            for j in range(number):
                for k in range(number):
                    if len({i, j, k}) == 3:
                        found.append(cosine(x[i] - x[j], x[k] - x[j]))
        sides.append(np.array(found))
    return huber(sides[0] - sides[1])


def margin_ranking(predicted: Array, targets: Array) -> Array:
    values = np.zeros(len(predicted))
    for i, prediction in enumerate(predicted):
        for j, target in enumerate(targets):
            if i != j:
                own, other = cosine(prediction, targets[i]), cosine(prediction, target)
                values[i] += max(0.0, float(0.1 - own + other)) / (len(targets) - 1)
    return values


def smoothed_cross_entropy(logits: Array, labels: Ids) -> Array:
    classes = logits.shape[1]
    targets = 0.9 * np.eye(classes)[labels] + 0.1 / classes
    return -(targets * np.log(softmax(logits))).sum(-1)


def norm_and_direction(align: str) -> Callable[[Array, Array, Array], Array]:
    """``1 - (s . e) / max(|s|, |t|)``, by items; the direction alone at ``|s|``, the norm alone without an angle."""

    def value(s: Array, t: Array, c: Array) -> float:
        ours, theirs = math.sqrt((s * s).sum()), math.sqrt((t * t).sum())
        if align == "norm":
            return max(0.0, 1 - ours / theirs)
        along = float((s * c).sum()) / math.sqrt((c * c).sum())
        return 1 - along / (max(ours, theirs) if align == "both" else ours)

    return lambda *sides: np.array([value(*item) for item in zip(*sides, strict=True)])


def similarity_preserving(student: Array, teacher: Array) -> Array:
    sides = []
    for x in (student, teacher):
        products = x @ x.T
        sides.append(products / np.sqrt((products**2).sum(1, keepdims=True)))
    return ((sides[0] - sides[1]) ** 2).ravel()


def token_graph(neighbours: int, order: str) -> Callable[[Array, Array], Array]:
    def value(student: Array, teacher: Array) -> Array:
        number, sides = len(student), []
        for x in (student, teacher):
            squared = np.array([[((a - b) ** 2).sum() for b in x] for a in x])
            edges = np.zeros((number, number), bool)
            for j in range(number):
                others = sorted((i for i in range(number) if i != j), key=lambda i: squared[i, j])
                edges[others[:neighbours], j] = True
            scaled = squared / squared[edges].mean()
            sides.append(softmax(np.where(edges, np.exp(-scaled / 2), 0.0)))
        q, p = sides if order == "reverse" else sides[::-1]
        return (q * np.log(q / p)).sum(-1)

    return value


def token_contrast(student: Array, teacher: Array) -> Array:
    scores = np.array([[float(cosine(s, t)) for t in teacher] for s in student]) / 0.1
    return -np.log(np.diag(softmax(scores)))


def inner_relations(student: Array, teacher: Array) -> Array:
    values = []
    for s, t in zip(student, teacher, strict=True):
        ours, theirs = (softmax(x @ x.T / math.sqrt(x.shape[1])) for x in (s, t))
        values.append(((ours - theirs) ** 2).mean())
    return np.array(values)


def fused(student: Array, teacher: Array, labels: Ids, shares: Array) -> Array:
    soft = 1.5**2 * forward_kl(student / 1.5, teacher / 1.5)
    return shares * soft + (1 - shares) * cross_entropy(student, labels)


def target_enhanced(eps: float) -> Callable[[Array, Array, Ids], Array]:
    def value(student: Array, teacher: Array, labels: Ids) -> Array:
        values = []
        for q, p, label in zip(softmax(student), softmax(teacher), labels, strict=True):
            terms = [((p[c] + 1) ** eps - 1 if c == label else p[c] ** eps) * np.log(q[c]) for c in range(len(p))]
            values.append(-sum(terms))
        return np.array(values)

    return value
