"""The training pictures that are most like what a translator imagines at a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limbeck.data.images import PhotoArchive
from limbeck.demo.origin import NothingToCompareError, Origin
from limbeck.errors import LimbeckError
from limbeck.systems.lab import Lab
from limbeck.systems.translation.corpus import Corpus, WorldCorpus
from limbeck.systems.translation.files import FileCorpus, PictureFiles
from limbeck.systems.translation.job import Material, read_corpus
from limbeck.systems.translation.pictures import Pictures, load_pictures
from limbeck.systems.translation.sentences import SentenceTranslator

CHUNK = 4096
"""Pictures that are compared at a time; they are kept as halves."""

CHECKED = 256
"""Training sentences by which it is seen whether model and pictures belong together."""

SIDE = 112
"""Height and width at which photos are shown."""

Draw = Callable[[int], NDArray[np.uint8] | None]


@dataclass(frozen=True)
class Match:
    """A training picture.

    Args:
        caption: The sentence that it stood beside.
        cosine: Between its standardised top map and the generated one.
        picture: The picture, ``(height, width, 3)``; ``None`` where only features of it are at hand.
    """

    caption: str
    cosine: float
    picture: NDArray[np.uint8] | None


class NearestPictures:
    """Compares what a translator generates with the training pictures.

    Both are top maps of the vision network, standardised a channel as in training; the cosine is taken over a whole
    map.

    Args:
        sentences: A translator whose model generates top maps.
        pictures: What it learnt from.
        corpus: Its sentences.
        draw: From a picture's number to the picture.

    Raises:
        NothingToCompareError: What the model generates is farther from its training pictures than their mean is.
        LimbeckError: The maps have another shape, or no training sentence has a picture.
    """

    def __init__(self, sentences: SentenceTranslator, pictures: Pictures, corpus: Corpus, draw: Draw) -> None:
        top, seen = sentences.translator.model.config.maps[-1], pictures.maps[-1]
        if (top.channels, top.height, top.width) != (seen.channels, seen.height, seen.width):
            raise LimbeckError(
                f"the model generates maps of {top.channels}x{top.height}x{top.width}, "
                f"the pictures have {seen.channels}x{seen.height}x{seen.width}"
            )
        self.sentences, self.draw = sentences, draw
        # A picture with several captions is shown with its first.
        captions: dict[int, str] = {}
        for number, caption in zip(corpus.train.pictures, corpus.train.source, strict=True):
            if number in pictures.rows:
                captions.setdefault(number, caption)
        if not captions:
            raise LimbeckError("none of the pictures belongs to a training sentence")
        self.examples = next(iter(corpus.tests.values())).source
        self.numbers, self.captions = list(captions), list(captions.values())
        self._maps = pictures.values[seen.name][[pictures.rows[number] for number in self.numbers]].flatten(1)
        self._norms = torch.cat([part.float().norm(dim=1) for part in self._maps.split(CHUNK)])
        self.explained = self._explained()
        if self.explained <= 0:
            raise NothingToCompareError(
                "What the model generates is farther from its training pictures than their mean is: "
                "it learnt too little from them, or another vision network taught it."
            )

    @torch.inference_mode()
    def of(self, sentence: str, most: int) -> list[Match]:
        """The nearest pictures, nearest first.

        Args:
            sentence: A sentence, not empty.
            most: How many.
        """
        wanted = torch.nn.functional.normalize(self._generated(sentence), dim=0)
        products = torch.cat([part.float() @ wanted for part in self._maps.split(CHUNK)])
        found = (products / self._norms.clamp(min=1e-9)).topk(min(most, len(self.numbers)))
        return [
            Match(self.captions[row], cosine, self.draw(self.numbers[row]))
            for cosine, row in zip(found.values.tolist(), found.indices.tolist(), strict=True)
        ]

    def _generated(self, sentence: str) -> Tensor:
        model = self.sentences.translator.model
        top: Tensor = model.encoder(torch.tensor([self.sentences.ids(sentence)], device=model.device)).top_map
        return top.flatten().float().cpu()

    @torch.inference_mode()
    def _explained(self) -> float:
        """The share of the real maps' variance that the generated ones account for.

        Maps of the same shape may come of another network, whose channels mean something else: of what was learnt by
        KD-1 nothing would be left then, and this would be negative.
        """
        generated = torch.stack([self._generated(caption) for caption in self.captions[:CHECKED]])
        real = self._maps[:CHECKED].float()
        return 1.0 - float((generated - real).square().sum() / real.square().sum())


class KeptTeachers(Lab):
    """A lab that trains no teacher: one that is trained again, by as many threads as there happen to be, is another."""

    def teacher(
        self,
        name: str,
        recipe: Mapping[str, Any],
        build: Callable[[], nn.Module],
        train: Callable[[nn.Module], object],
    ) -> nn.Module:
        """A teacher that was kept.

        Raises:
            NothingToCompareError: There is none of this recipe in the cache.
        """

        def refuse(_model: nn.Module) -> None:
            raise NothingToCompareError("The vision network that taught the model is not in this machine's cache.")

        return super().teacher(name, recipe, build, refuse)


def nearest_pictures(folder: Path, sentences: SentenceTranslator, file: Path | None, lab: Lab) -> NearestPictures:
    """What shows a model's training pictures.

    Args:
        folder: The model's.
        sentences: The translator in it.
        file: Features or photos of the training pictures, where the run has not noted them.
        lab: Keeps vision networks and maps.

    Raises:
        NothingToCompareError: The model generates nothing that is like a picture, or its pictures are not known.
        LimbeckError: The pictures cannot be read, or are not those of its training.
    """
    if sentences.translator.model.config.visual != "generated":
        raise NothingToCompareError("The model has no generator of visual features.")
    origin = Origin.read(folder, lab, file)
    material, recipe = origin.material, origin.material.settings()
    if not origin.arm.kd1 or not recipe.kd1:
        # KD-2 looks at the picture below the top map, translation at what helps it: neither holds the map itself.
        raise NothingToCompareError(
            "The model was trained without KD-1: nothing made what it generates like a picture."
        )
    if recipe.distance in ("kl", "cosine"):
        raise NothingToCompareError(f"The model learnt its maps by {recipe.distance}, which leaves their scale open.")
    corpus = read_corpus(material)
    pictures = load_pictures(lab, material.pictures, material.corpus, corpus, recipe)
    try:
        return NearestPictures(sentences, pictures, corpus, _drawing(material))
    except NothingToCompareError:
        raise
    except LimbeckError as error:
        raise LimbeckError(f"{file}: {error}" if file else f"{folder}: {error}") from None


def _drawing(material: Material) -> Draw:
    """What gives pictures by number; only vectors are there where vectors were learnt from."""
    corpus, source = material.corpus, material.pictures
    if isinstance(corpus, WorldCorpus):
        # Training scenes are the first, and a scene depends on its number alone.
        return lambda number: corpus.world.scenes("train", start=number, count=1).images()[0]
    if isinstance(corpus, FileCorpus):
        files = PictureFiles(corpus.pictures())
        return lambda number: files.read(number, SIDE).transpose(1, 2, 0)
    if source.kind == "photos":
        archive = PhotoArchive(source.path)
        return lambda number: archive.read(number, SIDE).transpose(1, 2, 0)
    return lambda number: None
