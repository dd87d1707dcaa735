"""Where pictures come from, and the vision teacher's maps of them, computed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from limbeck.batch import Batch
from limbeck.data.images import PhotoArchive, StoredFeatures, pooled_features, region_labels
from limbeck.data.translation import PictureMaps
from limbeck.errors import LimbeckError
from limbeck.files import write_tensors
from limbeck.losses.term import Term
from limbeck.models.vision.maps import MapSpec, names_at
from limbeck.models.vision.networks import VisionNetwork, efficientnet_lite0, small_cnn, transformers_backbone
from limbeck.systems.lab import Lab
from limbeck.systems.translation.corpus import Corpus, Multi30kCorpus, Part, WorldCorpus
from limbeck.systems.translation.files import FileCorpus, PictureFiles
from limbeck.systems.translation.recipe import Recipe
from limbeck.teachers.vision import VisionTeacher
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.task import Task

BATCH = 128
CorpusSpec = WorldCorpus | Multi30kCorpus | FileCorpus

STATISTICS_FROM = 2048
"""Training pictures over which maps are standardised."""

LABELS = 256
"""The most frequent labels of regions that are learnt; rarer ones stand in too few pictures."""


@dataclass(frozen=True)
class PictureSource:
    """Where pictures come from, in plain values, so that any process can find them again.

    Args:
        kind: ``"world"``, ``"photos"`` (an archive of JPEGs) or ``"files"`` (the corpus names them), both seen by a
            vision network, or vectors that stand for pictures: ``"pooled"`` (features of a CNN) or ``"labels"`` (of
            regions, as people gave them).
        path: Of the archive or the vectors.
        network: The vision network that sees photos (see :func:`vision_teacher`).
        size: Height and width at which it sees them.
        steps: Training steps of the world's vision network.
    """

    kind: Literal["world", "photos", "files", "pooled", "labels"]
    path: Path = Path()
    network: str = "efficientnet-lite0"
    size: int = 112
    steps: int = 300


@dataclass(frozen=True)
class Pictures:
    """The pictures of a corpus as the arms need them.

    Args:
        maps: The vision teacher's maps, from the image up; a single one of 1x1 for stored vectors.
        teacher: The vision network; ``None`` where there are only stored vectors, and so no KD-2.
        values: Standardised maps of all pictures, by name, ``(pictures, channels, height, width)``.
        rows: The row of each picture's number.
    """

    maps: tuple[MapSpec, ...]
    teacher: VisionTeacher | None
    values: dict[str, Tensor]
    rows: dict[int, int] = field(repr=False)

    def of(self, part: Part) -> PictureMaps:
        """The maps of one split's sentences."""
        return PictureMaps(self.values, [self.rows.get(number, -1) for number in part.pictures])


class PictureReader(Protocol):
    """Gives pictures by their numbers."""

    def __contains__(self, number: int) -> bool:
        """Whether there is a picture of this number."""

    def read(self, number: int, size: int) -> NDArray[np.uint8]:
        """One picture, ``(3, size, size)``."""


def load_pictures(lab: Lab, source: PictureSource, spec: CorpusSpec, corpus: Corpus, recipe: Recipe) -> Pictures:
    """The pictures of a corpus, from wherever the source says.

    Args:
        lab: Keeps networks and maps, and says what is computed.
        source: Where they come from.
        spec: How the corpus is made.
        corpus: The corpus itself.
        recipe: Says which maps are needed.

    Raises:
        LimbeckError: If they cannot be read, or the source does not fit the corpus.
    """
    if isinstance(spec, WorldCorpus):
        return world_pictures(lab, spec, recipe, steps=source.steps)
    if source.kind == "photos" and not isinstance(spec, FileCorpus):
        archive = PhotoArchive(source.path)
        return seen_pictures(lab, corpus, archive, [source.path], recipe, network=source.network, size=source.size)
    if isinstance(spec, FileCorpus) and source.kind == "files":
        files = PictureFiles(spec.pictures())
        return seen_pictures(lab, corpus, files, files.paths, recipe, network=source.network, size=source.size)
    if isinstance(spec, FileCorpus) or source.kind not in ("pooled", "labels"):
        raise LimbeckError(f"pictures of the kind {source.kind!r} belong to another corpus")
    return stored_pictures(source.path, source.kind)


def world_pictures(lab: Lab, spec: WorldCorpus, recipe: Recipe, *, steps: int) -> Pictures:
    """The world's pictures, seen by a small CNN that was trained to name settings and kinds.

    Args:
        lab: Keeps the trained network.
        spec: How the corpus is made.
        recipe: Says which maps are needed.
        steps: Training steps of the network.
    """
    scenes = spec.scenes()
    size, labels = spec.world.image_size, len(spec.world.label_names)
    images = {split: torch.from_numpy(part.images()).permute(0, 3, 1, 2) for split, part in scenes.items()}
    plan = Plan(lr=3e-3, warmup=steps // 20, schedule="cosine", max_steps=steps)
    kept = lab.teacher(
        "world-cnn",
        {**asdict(spec), "size": size, "labels": labels, "batch": BATCH, "plan": plan.model_dump(mode="json")},
        lambda: small_cnn(labels, size).network,
        lambda model: _train_network(model, images["train"], torch.from_numpy(scenes["train"].labels()), plan),
    )
    teacher = _teacher(small_cnn(labels, size), kept, recipe)
    everything = torch.cat(list(images.values()))
    teacher.standardise(list(images["train"][:STATISTICS_FROM].split(BATCH)))
    values = _maps_of(teacher, everything.split(BATCH), recipe)
    return Pictures(teacher.maps, teacher, values, {number: number for number in range(len(everything))})


def seen_pictures(
    lab: Lab,
    corpus: Corpus,
    reader: PictureReader,
    files: Sequence[Path],
    recipe: Recipe,
    *,
    network: str,
    size: int,
) -> Pictures:
    """Real pictures, seen by EfficientNet-Lite0 or a backbone of `transformers`; not every sentence has one.

    Args:
        lab: Its cache keeps the maps.
        corpus: Says which pictures are needed.
        reader: Gives them by number.
        files: What they are read from; when one of these changes, the maps are computed again.
        recipe: Says which maps are needed.
        network: See :func:`vision_teacher`.
        size: Height and width at which pictures are shown to it.

    Raises:
        LimbeckError: If a picture cannot be read, or no training sentence has any.
    """
    parts = [corpus.train, corpus.val, *corpus.tests.values()]
    numbers = sorted({number for part in parts for number in part.pictures if number in reader})
    training = [number for number in dict.fromkeys(corpus.train.pictures) if number in reader]
    if not training:
        where = str(files[0]) if len(files) == 1 else f"{len(files)} files"
        raise LimbeckError(f"{where}: none of the pictures belongs to a training sentence")
    teacher = vision_teacher(network, size, recipe)

    def batches(wanted: Sequence[int]) -> Iterator[Tensor]:
        for start in range(0, len(wanted), BATCH):
            read = [reader.read(number, size) for number in wanted[start : start + BATCH]]
            yield torch.from_numpy(np.stack(read))

    names = names_at(teacher.maps, recipe.grain)
    weights = sorted(path for path in Path(network).glob("*") if path.is_file())
    key = {
        "files": [_state(path) for path in [*files, *weights]],
        "network": network,
        "size": size,
        "maps": names,
        "numbers": numbers,
        "training": training,
    }
    place = lab.cache / "maps" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.safetensors"
    if not place.is_file():
        lab.say(f"computing the maps of {len(numbers)} pictures")
        teacher.standardise(list(batches(training[:STATISTICS_FROM])))
        values = _maps_of(teacher, batches(numbers), recipe)
        statistics = {f"statistics/{name}": value.contiguous() for name, value in teacher.statistics().items()}
        place.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(place, {**values, **statistics})
    stored = load_file(place)
    teacher.load_statistics({n.removeprefix("statistics/"): v for n, v in stored.items() if "/" in n})
    values = {name: stored[name] for name in names}
    return Pictures(teacher.maps, teacher, values, {number: row for row, number in enumerate(numbers)})


def unseen_pictures(source: PictureSource, recipe: Recipe) -> Pictures:
    """What sees the pictures, before it has seen any: enough to build a model."""
    teacher = vision_teacher(source.network, source.size, recipe)
    return Pictures(teacher.maps, teacher, {}, {})


def vision_teacher(network: str, size: int, recipe: Recipe) -> VisionTeacher:
    """A pretrained vision network as a teacher; its maps are not standardised yet.

    Args:
        network: ``"efficientnet-lite0"``, or what :func:`~limbeck.models.vision.networks.transformers_backbone` takes.
        size: Height and width at which pictures are shown to it.
        recipe: Says which maps are needed.

    Raises:
        LimbeckError: If there is no such network, or it cannot see pictures of this size.
    """
    if network == "efficientnet-lite0":
        # Its package prints to standard output, where results go.
        with redirect_stdout(StringIO()):
            made = efficientnet_lite0(size)
    else:
        made = transformers_backbone(network, size)
    try:
        return _teacher(made, made.network, recipe)
    except (RuntimeError, ValueError) as error:
        raise LimbeckError(f"vision network {network!r} at size {size}: {' '.join(str(error).split())}") from None


def _state(path: Path) -> list[str | int]:
    """A file as it is now."""
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]


def stored_pictures(features: Path, kind: Literal["pooled", "labels"]) -> Pictures:
    """Vectors that stand for pictures: pooled features of a CNN, or labels of regions as people gave them."""
    read: StoredFeatures = pooled_features(features) if kind == "pooled" else region_labels(features, most=LABELS)
    values = torch.from_numpy(read.vectors.astype(np.float32))[:, :, None, None]
    return Pictures((MapSpec(read.name, read.width, 1, 1, "model"),), None, {read.name: values}, read.rows)


def _teacher(made: VisionNetwork, network: nn.Module, recipe: Recipe) -> VisionTeacher:
    """The network as a teacher; maps within stages only where that grain is distilled, for they cost blocks."""
    sites = {
        name: path
        for name, path in made.sites.items()
        if recipe.grain == "layer" or made.grains.get(name, "block") != "layer"
    }
    return VisionTeacher(network, sites, size=made.size, grains=made.grains, mean=made.mean, std=made.std)


def _maps_of(teacher: VisionTeacher, batches: Sequence[Tensor] | Iterator[Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """Standardised maps of the grain, as halves."""
    names = names_at(teacher.maps, recipe.grain)
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    for images in batches:
        for name, value in teacher.real_maps(images, names).items():
            found[name].append(value.half())
    return {name: torch.cat(parts).contiguous() for name, parts in found.items()}


class _Naming(Task):
    """Multi-label classification of pictures."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__({"naming": 1.0})
        self.network = network

    def forward(self, batch: Batch) -> dict[str, Term]:
        logits = self.network((batch["images"].float() / 255.0 - 0.5) / 0.5)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, batch["labels"], reduction="none")
        return {"naming": Term.over(losses.sum(1))}


def _train_network(network: nn.Module, images: Tensor, labels: Tensor, plan: Plan) -> None:
    def collate(rows: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        return {"images": torch.stack([row[0] for row in rows]), "labels": torch.stack([row[1] for row in rows])}

    loader = DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=True, collate_fn=collate)
    fit(_Naming(network), loader, plan, accelerator=accelerator_on("cpu"), progress=False)
