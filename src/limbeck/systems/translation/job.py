"""One training as a job that any process can do."""

from __future__ import annotations

import functools
import multiprocessing
import sys
from dataclasses import dataclass, field
from pathlib import Path

from limbeck.systems.lab import Lab
from limbeck.systems.translation.arms import ARMS
from limbeck.systems.translation.corpus import Corpus
from limbeck.systems.translation.pictures import CorpusSpec, Pictures, PictureSource, load_pictures
from limbeck.systems.translation.progress import JobLines
from limbeck.systems.translation.recipe import Recipe
from limbeck.systems.translation.training import Trained, train_arm, translate_with_wrong_pictures


@dataclass(frozen=True)
class Material:
    """What all arms share: corpus, pictures and recipe.

    Args:
        corpus: How the corpus is made.
        pictures: Where its pictures come from.
        recipe: How translators are trained, as JSON, so that it can be hashed.
        cache: Where vision networks and maps are kept.
        start: An earlier run's folder; every arm begins with the model that it left there, the seed being the same.
    """

    corpus: CorpusSpec
    pictures: PictureSource
    recipe: str
    cache: Path
    start: Path | None = None

    def settings(self) -> Recipe:
        """The recipe."""
        return Recipe.model_validate_json(self.recipe)


@dataclass(frozen=True)
class TranslationJob:
    """One arm with one seed.

    Args:
        arm: The arm's name.
        seed: Of the training.
        folder: Where it is kept; an image-must model for the wrong-picture arm lies beside it.
        material: What all arms share.
        device: A torch device.
        resume: Whether to go on with what is there.
        progress: Whether to show how far it is: by a bar where it has a terminal for itself, else by lines.
    """

    arm: str
    seed: int
    folder: Path
    material: Material
    device: str = "cpu"
    resume: bool = False
    progress: bool = field(default=False, compare=False)


def run_translation_job(job: TranslationJob) -> Trained:
    """Train one arm, or fetch what an earlier run trained; a wrong-picture arm only translates."""
    arm = ARMS[job.arm]
    kept = Trained.load(job.folder)
    if kept is not None:
        return kept
    corpus, recipe = read_corpus(job.material), job.material.settings()
    pictures = read_pictures(job.material) if arm.visual != "none" else None
    if arm.wrong_picture and pictures is not None:
        image_must = job.folder.parent.parent / "image-must" / job.folder.name
        return translate_with_wrong_pictures(image_must, corpus, pictures, recipe, job.folder)
    # Bars of several workers would be drawn over one another.
    bar = job.progress and multiprocessing.parent_process() is None and sys.stderr.isatty()
    return train_arm(
        arm,
        corpus,
        pictures,
        recipe,
        job.folder,
        seed=job.seed,
        device=job.device,
        resume=job.resume,
        progress=bar,
        start=started_from(job),
        callbacks=[JobLines(f"{job.arm}, seed {job.seed}")] if job.progress and not bar else [],
    )


def started_from(job: TranslationJob) -> Path | None:
    """The model folder that an arm begins with."""
    start = job.material.start
    return None if start is None else start / job.arm / f"seed-{job.seed}" / "model"


@functools.lru_cache(maxsize=1)
def read_corpus(material: Material) -> Corpus:
    """The corpus; a worker that does several jobs reads it once."""
    return material.corpus.read()


@functools.lru_cache(maxsize=1)
def read_pictures(material: Material) -> Pictures:
    """The pictures; likewise."""
    lab = Lab(cache=material.cache, quiet=True)
    return load_pictures(lab, material.pictures, material.corpus, read_corpus(material), material.settings())
