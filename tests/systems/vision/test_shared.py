"""Splits and readers, networks that are entered midway, a teacher asked beforehand, and trainings that repeat."""

from __future__ import annotations

import gzip
import io
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from limbeck.batch import Batch
from limbeck.cli.app import execute
from limbeck.errors import LimbeckError
from limbeck.methods.find import make_method
from limbeck.methods.logits import LogitDistillation
from limbeck.signals import Signals, tap
from limbeck.systems.cards import cards
from limbeck.systems.lab import Lab, Split
from limbeck.systems.taught import Taught
from limbeck.systems.vision.data import Pictures, Sizes, image_set
from limbeck.systems.vision.models import SHAPES, Shape
from limbeck.systems.vision.task import ImageTask, Told, hidden_of
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, asked_once, run_job, train
from limbeck.teachers.base import Teacher
from limbeck.teachers.live import LiveTeacher

SMALL = Sizes(train=70, val=20, test=30, pool=40)
TINY = Shape("resnet", (4, 8))
ND = {"name": "nd", "student": "features", "teacher": "features", "classes": 12}


def test_training_splits_differ_from_seed_to_seed_and_the_others_do_not() -> None:
    first, second = (image_set(sizes=SMALL, seed=seed) for seed in (1, 2))
    assert not (first.train.images[:, None] == second.train.images[None]).flatten(2).all(2).any()
    for split in ("val", "test", "pool"):
        assert torch.equal(getattr(first, split).images, getattr(second, split).images)
    assert first.train.pixels.abs().max() <= 1


def test_arms_are_judged_by_the_split_that_is_asked_for() -> None:
    asked: Split
    for asked, count in (("val", 20), ("test", 30)):
        data = image_set(sizes=SMALL, judged_by=asked).without_pool()
        job = Job("labels", "baseline", "", 1, TINY, data, Budget(1))
        (_, statistics) = run_job(job).columns["accuracy"]
        assert len(statistics) == count
        assert torch.equal(job.judges.images, getattr(data, asked).images)


def test_every_system_can_be_judged_by_validation_pictures() -> None:
    written = [card for card in cards().values() if card.path.parent.name == "vision"]
    assert written
    for card in written:
        (option,) = (one for one in card.options if one.name == "judged_by")
        assert (option.annotation, option.default) == ("Literal['val', 'test']", "'test'")


def test_two_terms_of_one_name_are_refused() -> None:
    student = TINY.build(12)
    for make in (lambda methods: ImageTask(student, methods), lambda methods: Taught(student, ("pixels",), methods)):
        with pytest.raises(LimbeckError, match="'forward_kl' is of logits and of logits"):
            make([LogitDistillation(), LogitDistillation(temperature=8.0, weight=0.1)])


def test_long_tail_and_few_of_each() -> None:
    labels = torch.arange(300) % 3
    pictures = Pictures(torch.zeros(300, 3, 32, 32, dtype=torch.uint8), labels)
    assert pictures.long_tailed(25.0, 3).labels.bincount().tolist() == [100, 20, 4]
    assert pictures.per_class(4).labels.bincount().tolist() == [4, 4, 4]
    for asked, told in ((101, "class 0 has 100 pictures, 101 are asked for"), (0, "got 0, expected 1 or more")):
        with pytest.raises(LimbeckError, match=told):
            pictures.per_class(asked)
    with pytest.raises(LimbeckError, match="class 0 has 100 pictures, 110 are asked for"):
        pictures.per_class(10, start=100)
    with pytest.raises(LimbeckError, match="class 1 has 0 pictures"):
        pictures.at(labels != 1).per_class(4)
    with pytest.raises(LimbeckError, match="class 1 has 0 pictures"):
        pictures.at(labels != 1).long_tailed(25.0, 3)
    batch = next(iter(pictures.batches(7)))
    assert torch.equal(labels[batch["row"]], batch["labels"])
    turned = replace(pictures, labels=labels).shifted("inverted")
    assert turned.images.shape == pictures.images.shape
    assert int(turned.images.min()) == 255


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_networks_give_their_stages_and_can_be_entered_midway(shape: Shape) -> None:
    torch.manual_seed(0)
    network, pixels = shape.build(5).eval(), torch.randn(2, 3, 32, 32)
    with torch.no_grad(), tap(network, [*shape.sites, "features"]) as hidden:
        logits = network(pixels)
    assert logits.shape == (2, 5)
    assert hidden["features"].shape == (2, network.feature_width)
    assert {len(hidden[site]) for site in shape.sites} == {2}
    for stage in range(len(shape.widths)):
        torch.testing.assert_close(network.after(network.before(pixels, stage), stage), logits)
        if stage:
            torch.testing.assert_close(network.before(pixels, stage), hidden[shape.sites[stage - 1]])
    torch.testing.assert_close(network.head(hidden["features"]), logits)


def test_shapes_that_cannot_be() -> None:
    with pytest.raises(LimbeckError, match="a vit has one width"):
        Shape("vit", (16, 32)).build(5)


def test_a_teacher_asked_beforehand_is_a_live_one() -> None:
    torch.manual_seed(0)
    pictures = image_set(sizes=SMALL).train
    live = LiveTeacher(TINY.build(12), lambda batch: {"pixels": batch["pixels"]}, ["features"])
    told = Told(live, pictures)
    for batch in pictures.batches(16):
        now, then = live(batch), told(batch)
        assert isinstance(now.logits, Tensor)
        assert isinstance(then.logits, Tensor)
        torch.testing.assert_close(then.logits, now.logits)
        torch.testing.assert_close(then.hidden["features"], now.hidden["features"])


def test_a_teacher_is_asked_once_for_jobs_that_share_it() -> None:
    torch.manual_seed(0)
    teachers, data = [TINY.build(12).eval() for _ in range(2)], image_set(sizes=SMALL)
    rounds = [0, 0]
    for number, one in enumerate(teachers):
        one.stem.register_forward_hook(lambda *_, number=number: operator.setitem(rounds, number, rounds[number] + 1))
    base = Job("a", "method", "", 3, TINY, data, Budget(2), teachers[0], ({"name": "logits"},))
    jobs = [base, replace(base, methods=(ND,)), replace(base, teacher=teachers[1]), replace(base, change=darker)]
    jobs.append(replace(base, data=replace(data, train=data.val)))
    before = [train(job)[0].state_dict() for job in jobs]
    rounds[:] = 0, 0
    shared = asked_once(jobs)
    assert rounds == [1, 0]
    assert [job.told is None for job in shared] == [False, False, True, True, True]
    after = [train(job)[0].state_dict() for job in shared]
    assert rounds == [1 + 3 + 1, 1]  # with what changes: at each of two steps, and once before them
    for first, second in zip(before, after, strict=True):
        assert all(torch.equal(value, second[name]) for name, value in first.items())


def darker(batch: Batch) -> Batch:
    return {**batch, "pixels": batch["pixels"] / 2}


def test_student_and_teacher_see_what_is_changed_in_training_alone() -> None:
    seen = []

    def teacher(batch: Batch) -> Signals:
        seen.append(float(batch["pixels"].max()))
        return live(batch)

    torch.manual_seed(0)
    live = LiveTeacher(TINY.build(12), lambda batch: {"pixels": batch["pixels"]}, [])
    batch = next(iter(image_set(sizes=SMALL).train.batches(8)))
    methods = [make_method({"name": "logits"})]
    task = ImageTask(TINY.build(12), methods, teacher, change=darker)
    task.train()(batch)
    task.eval()(batch)
    assert seen[0] == pytest.approx(seen[1] / 2)
    assert hidden_of(methods) == ((), ())


@pytest.mark.parametrize("change", [None, darker])
def test_a_training_repeats_and_methods_matter(change: Callable[[Batch], Batch] | None) -> None:
    data = image_set(sizes=SMALL)
    torch.manual_seed(0)
    teacher = Shape("resnet", (4, 12)).build(12).eval()
    job = Job("a", "method", "", 3, TINY, data, Budget(4), teacher, (ND,), change=change)
    torch.manual_seed(1)
    first, spent = train(job)
    torch.manual_seed(2)
    again, _ = train(job)
    alone, _ = train(replace(job, methods=()))
    weights = [network.state_dict()["head.weight"] for network in (first, again, alone)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert (spent["steps"], spent["pictures"]) == (4, 4 * 64)
    assert not first.training


class Looks(LogitDistillation):
    """Notes what it is shown before the training."""

    seen: ClassVar[list[Tensor]] = []

    def prepare(self, teacher: Teacher, batches: Iterable[Batch]) -> None:
        self.seen.extend(batch["row"] for batch in batches)


def test_every_method_looks_at_all_pictures_once_and_in_order() -> None:
    data = image_set(sizes=replace(SMALL, train=300))
    torch.manual_seed(0)
    looking = Looks, {"name": "dkd"}, partial(Looks, divergence="reverse_kl")
    train(Job("a", "method", "", 3, TINY, data, Budget(1), TINY.build(12), looking))
    assert torch.equal(torch.cat(Looks.seen), torch.arange(300).repeat(2))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("run dmae --labels 40", r"--labels 40, in 5 draws: class \d has \d+ pictures, 200 are asked for"),
        ("run dmae --labels 0", "--labels 0, in 5 draws: got 0"),
        ("run talking-models --labels 2600", r"--labels: class \d has \d+ pictures, 2600 are asked for"),
        ("run distillweighted --labels 100", r"--labels: class \d has \d+ pictures, 100 are asked for"),
        ("run distillweighted --unlabelled 12 --labels 4", r"--labels: class \d has \d pictures, 4 are asked for"),
        ("run trg --factor 0.5", "factor: got 0.5, expected 1 or more"),
    ],
)
def test_more_pictures_than_there_are_is_said_before_anything_is_trained(
    line: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    assert execute([*line.split(), "--scale", "smoke", "--device", "cpu", "--out", str(tmp_path / "run")]) == 2
    assert re.search(told, " ".join(capsys.readouterr().err.split()))
    assert not (tmp_path / "cache").exists()


def test_teachers_are_kept_by_all_that_made_them(tmp_path: Path) -> None:
    lab, data = Lab(cache=tmp_path, quiet=True), image_set(sizes=SMALL)
    made = image_teacher(lab, TINY, data, Budget(2))
    assert torch.equal(
        image_teacher(lab, TINY, data, Budget(2)).state_dict()["head.bias"], made.state_dict()["head.bias"]
    )
    assert len(list((tmp_path / "teachers").iterdir())) == 1
    image_teacher(lab, TINY, data, Budget(2), number=1)
    image_teacher(lab, TINY, data, Budget(2), pictures=data.train)
    assert len(list((tmp_path / "teachers").iterdir())) == 3


def archive(path: Path, labels: list[int], *, side: int = 32, cut: int = 0) -> None:
    parts = []
    for label in labels:
        stream = io.BytesIO()
        Image.new("RGB", (side, side), (20 * label, 0, 0)).save(stream, "JPEG")
        parts.append(stream.getvalue())
    offsets = np.cumsum([0, *map(len, parts)])
    jpeg = np.frombuffer(b"".join(parts), np.uint8)[: offsets[-1] - cut]
    np.savez(path, jpeg=jpeg, offsets=offsets, labels=np.array(labels), classes=np.array(["plane", "car"]))


def test_cifar10(tmp_path: Path) -> None:
    archive(tmp_path / "train.npz", [0, 1] * 6)
    archive(tmp_path / "test.npz", [0, 1] * 2)
    sizes = Sizes(train=4, val=3, test=4, pool=100)
    found = image_set("cifar10", sizes, data_dir=str(tmp_path))
    assert found.classes == ("plane", "car")
    assert [len(part) for part in (found.train, found.val, found.test, found.pool)] == [4, 3, 4, 5]
    assert ((found.train.images[:, 0, 0, 0] > 10).long() == found.train.labels).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "test.npz").unlink(), "test.npz: no such file"),
        (lambda folder: (folder / "test.npz").write_bytes(b"PK"), "test.npz: not a readable .npz"),
        (lambda folder: archive(folder / "test.npz", [0, 1], cut=5), "offsets do not fit the pictures"),
        (lambda folder: archive(folder / "test.npz", [0, 2]), "labels from 0 to 2, and 2 classes"),
        (lambda folder: archive(folder / "test.npz", [0, 1], side=8), "8 x 8 pixels, expected 32 x 32"),
        (lambda folder: archive(folder / "train.npz", [0, 1]), "2 and 4 pictures, at least 8 and 4 are needed"),
    ],
)
def test_damaged_archives(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    archive(tmp_path / "train.npz", [0, 1] * 6)
    archive(tmp_path / "test.npz", [0, 1] * 2)
    spoil(tmp_path)
    with pytest.raises(LimbeckError) as caught:
        image_set("cifar10", Sizes(4, 3, 4, 1), data_dir=str(tmp_path))
    assert message in str(caught.value)


def idx(path: Path, values: np.ndarray) -> None:
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    with gzip.open(path, "wb") as file:
        file.write(head + values.astype(np.uint8).tobytes())


def fashion(folder: Path) -> None:
    for part, count in (("train", 12), ("t10k", 4)):
        labels = np.arange(count) % 10
        idx(folder / f"{part}-images-idx3-ubyte.gz", np.broadcast_to(labels[:, None, None], (count, 28, 28)))
        idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)


def test_fashion_mnist(tmp_path: Path) -> None:
    fashion(tmp_path)
    found = image_set("fashion-mnist", Sizes(4, 3, 4, 100), data_dir=str(tmp_path))
    assert found.train.images.shape == (4, 3, 32, 32)
    assert (found.train.images[:, :, 16, 16] == found.train.labels[:, None]).all()
    assert (found.train.images[:, :, :2] == 0).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "no such file, nor with .gz"),
        (lambda path: path.write_bytes(b"not gzip"), "t10k-labels-idx1-ubyte.gz"),
        (lambda path: path.write_bytes(gzip.compress(b"\0\0\x08\x03")), "no IDX file of bytes with 1 axes"),
        (lambda path: path.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x09abc")), "is the file whole?"),
        (lambda path: idx(path, np.arange(3)), "that do not fit"),
        (lambda path: idx(path, np.array([1, 2, 3, 10])), "that do not fit"),
    ],
)
def test_damaged_idx_files(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    fashion(tmp_path)
    spoil(tmp_path / "t10k-labels-idx1-ubyte.gz")
    with pytest.raises(LimbeckError) as caught:
        image_set("fashion-mnist", Sizes(4, 3, 4, 1), data_dir=str(tmp_path))
    assert message in str(caught.value)


def test_no_data() -> None:
    with pytest.raises(LimbeckError, match="cifar10 needs --data-dir"):
        image_set("cifar10")
    with pytest.raises(LimbeckError, match="dataset-fashion-mnist"):
        image_set("fashion-mnist", data_dir="/nowhere")
