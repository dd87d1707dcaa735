"""Any of the methods against labels alone and one another, with one budget, on classified pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from torch import nn

from limbeck.errors import LimbeckError, near_matches
from limbeck.evaluation.metrics import Accuracy
from limbeck.methods.find import make_method, named_methods, settings_of
from limbeck.methods.terms import joint_weights
from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab
from limbeck.systems.options import at_least
from limbeck.systems.vision.data import DataName, ImageSet, Sizes, image_set
from limbeck.systems.vision.models import SHAPES
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import RATES, Budget, Job, run_all
from limbeck.training.seed import undisturbed_randomness

Settings = Mapping[str, Any]
FEATURES = "features"
"""The path of the pooled features, which every network here has."""
_BETWEEN = re.compile(r",(?![^\[{]*[\]}])")
"""The commas that are not within a list or a mapping."""


def parse_arm(text: str, classes: int) -> list[Settings]:
    """Methods from what a user writes: ``"logits"``, ``"logits:temperature=4,weight=2"``, ``"logits+nd:weight=0.5"``.

    What a method must be told and the networks here answer is filled in: ``student``, ``teacher`` and ``pairs`` are the
    paths of the features before the head, ``classes`` their number.

    Args:
        text: One arm; its methods stand between plus signs.
        classes: How many there are.

    Raises:
        LimbeckError: A method or a setting is unknown, or has a value that is not possible, or two methods have a
            term of the same name.

    Example:
        >>> parse_arm("logits:temperature=2+nd:weight=0.5", classes=3)[1]["classes"]
        3
    """
    settings = [_parse_method(part, classes) for part in text.split("+")]
    try:
        joint_weights([make_method(one) for one in settings], {"labels": 1.0})
    except LimbeckError as error:
        raise LimbeckError(f"{text!r}: {error}") from None
    return settings


def _parse_method(text: str, classes: int) -> Settings:
    name, _, rest = text.partition(":")
    known = named_methods()
    if name not in known:
        raise LimbeckError(f"{text!r}: no method {name!r}; {near_matches(name, known, most=len(known))}")
    answers = {"student": FEATURES, "teacher": FEATURES, "pairs": {FEATURES: FEATURES}, "classes": classes}
    fields = settings_of(known[name]).model_fields
    settings = {key: value for key, value in answers.items() if key in fields and fields[key].is_required()}
    for pair in filter(None, _BETWEEN.split(rest)):
        key, equals, value = pair.partition("=")
        if not equals:
            raise LimbeckError(f"{text!r}: got {pair!r}, expected SETTING=VALUE")
        try:
            settings[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise LimbeckError(f"{text!r}: {key}: got {value!r}, which is no YAML value") from None
    made = {"name": name, **settings}
    if make_method(made).own_tokenizers:
        raise LimbeckError(f"{text!r}: the method {name!r} is for texts, and pictures are compared here")
    return made


def _check_sites(arm: str, methods: Sequence[Settings], networks: Mapping[str, nn.Module]) -> None:
    """Refuse, before anything is trained, what reads a module that the student or the teacher does not have."""
    needs = [make_method(one).needs for one in methods]
    wanted = {
        "student": [site for need in needs for site in need.student_hidden],
        "teacher": [site for need in needs for site in need.teacher_hidden],
    }
    for side, sites in wanted.items():
        known = [path for path, _ in networks[side].named_modules() if path]
        for site in sites:
            if site not in known:
                raise LimbeckError(f"{arm!r}: the {side} has no module {site!r}; {near_matches(site, known)}")


def compare(
    lab: Lab,
    arms: Sequence[str],
    *,
    data: DataName = "world",
    data_dir: str = "",
    teacher: str = "resnet",
    students: Sequence[str] = ("resnet",),
    label_weight: float = 1.0,
    steps: int | None = None,
    workers: int | None = None,
) -> Findings:
    """Train every arm, and labels alone, for the same steps on the same pictures, and judge them on the same others.

    Args:
        lab: Keeps teachers, says how far it is, gives seeds and scale.
        arms: As :func:`parse_arm` reads them.
        data: Which pictures.
        data_dir: Where real ones lie.
        teacher: The family of the teacher.
        students: Families of the students.
        label_weight: Of the labels, in every arm; at 0 there is no arm of labels alone, and so no claim.
        steps: Of a student's training; by default what the scale says.
        workers: Processes; None takes what the machine has.

    Raises:
        LimbeckError: An arm, a family, a number of steps or the data is not possible.
    """
    at_least(1, steps=steps)
    for family in (teacher, *students):
        if family not in RATES:
            raise LimbeckError(f"no family of networks {family!r}; {near_matches(family, RATES)}")
    twice = next((family for family in students if students.count(family) > 1), None)
    if twice is not None:
        raise LimbeckError(f"the student {twice!r} is named twice; its arms would be the same")
    sizes = lab.pick(
        smoke=Sizes(train=96, val=32, test=64, pool=128),
        default=Sizes(),
        full=Sizes(train=4000, val=1000, test=4000, pool=12_000),
    )
    pool = image_set(data, sizes, data_dir=data_dir)
    asked = {arm: parse_arm(arm, len(pool.classes)) for arm in dict.fromkeys(arms)}
    with undisturbed_randomness():
        networks = {name: shape.build(len(pool.classes), pool.train.size) for name, shape in SHAPES.items()}
    for family in students:
        pair = {"student": networks[f"{family}-student"], "teacher": networks[f"{teacher}-teacher"]}
        for arm, methods in asked.items():
            _check_sites(arm, methods, pair)
    long = Budget(lab.pick(smoke=4, default=800, full=6000), lr=2e-3)
    network = image_teacher(lab, SHAPES[f"{teacher}-teacher"], pool, long)
    # Without a weight of theirs, labels alone teach nothing.
    everyone = {"labels": [], **asked} if label_weight else asked
    findings, jobs = Findings(), []
    for seed in lab.seeds:
        mine: ImageSet = image_set(data, sizes, seed=seed, data_dir=data_dir).without_pool()
        shape, title = SHAPES[f"{teacher}-teacher"], f"the teacher, a {teacher}"
        jobs.append(Job("teacher", "teacher", title, seed, shape, mine, long, network, device=lab.device))
        for family in students:
            length = lab.pick(smoke=4, default=400, full=4000) if steps is None else steps
            budget = Budget(length, lr=RATES[family])
            for arm, methods in everyone.items():
                jobs.append(
                    Job(
                        _name(arm, family, students), "method" if methods else "baseline",
                        _name(arm if methods else "labels alone", family, students), seed,
                        SHAPES[f"{family}-student"], mine, budget, network, methods, label_weight, device=lab.device,
                    )
                )  # fmt: skip
    run_all(lab, findings, jobs, workers)
    for family in students if label_weight else ():
        labels = _name("labels", family, students)
        for arm in asked:
            name = _name(arm, family, students)
            findings.claim(f"{name} is better than labels alone", arm=name, baseline=labels, metric=Accuracy().name)
    return findings


def _name(arm: str, family: str, students: Sequence[str]) -> str:
    return arm if len(students) == 1 else f"{arm} -> {family}"
