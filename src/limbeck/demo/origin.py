"""What a model learnt from, as the folder of its training tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from limbeck.errors import LimbeckError
from limbeck.settings import Settings
from limbeck.systems.ikd_mmt import material_of
from limbeck.systems.lab import Lab, Scale
from limbeck.systems.translation.arms import ARMS, Arm
from limbeck.systems.translation.config import TranslatorConfig
from limbeck.systems.translation.job import Material
from limbeck.systems.translation.recipe import Recipe


class NothingToCompareError(LimbeckError):
    """Why there are no pictures beside a model's sentences, in words that any visitor of the page may read."""


class _Options(Settings):
    """Those of `limbeck run ikd-mmt` that say what was learnt from."""

    model_config = ConfigDict(extra="ignore")
    data: Literal["world", "multi30k"]
    data_dir: Path | None = None
    pair: str = "en-de"
    vision: Literal["labels", "pooled", "photos"] = "labels"


class _Run(Settings):
    """The `config.yaml` of `limbeck run ikd-mmt`."""

    model_config = ConfigDict(extra="ignore")
    system: Literal["ikd-mmt"]
    scale: Scale
    options: _Options


@dataclass(frozen=True)
class Origin:
    """What a model learnt from.

    Args:
        arm: How pictures taught it.
        material: Corpus, pictures and recipe.
    """

    arm: Arm
    material: Material

    @classmethod
    def read(cls, model: Path, lab: Lab, pictures: Path | None) -> Origin:
        """That of a model that still lies in the folder of its training.

        Args:
            model: The model's folder.
            lab: Whose cache has vision networks and maps.
            pictures: Features or photos of the training pictures, where these are no part of what the run noted.

        Raises:
            NothingToCompareError: The model was taken out of that folder, or the pictures must be named first.
            LimbeckError: The folder is damaged, or the pictures do not belong to the run.
        """
        folder = model.resolve().parent
        # A run of a system has a folder for each arm and seed; its configuration lies above them.
        above = folder.parent.parent
        if folder.parent.name in ARMS and (above / "recipe.json").is_file() and (above / "config.yaml").is_file():
            return cls(ARMS[folder.parent.name], _run_material(above, lab, pictures))
        if not (folder / "config.yaml").is_file():
            raise NothingToCompareError(
                "The model does not lie in the folder of its training, so that its training pictures are not known."
            )
        return _trained(TranslatorConfig.read_changed(folder / "config.yaml"), lab, pictures)


def _run_material(folder: Path, lab: Lab, pictures: Path | None) -> Material:
    run, recipe = _Run.read(folder / "config.yaml"), Recipe.read(folder / "recipe.json")
    asked = run.options
    if asked.data == "world":
        if pictures is not None:
            raise LimbeckError("--pictures: the model learnt from the world, which draws its own pictures")
    elif pictures is None:
        raise NothingToCompareError(
            f"The page was started without --pictures, the file of the {asked.vision} that it learnt from."
        )
    elif not pictures.is_file():
        raise LimbeckError(f"--pictures: no such file: {pictures}")
    scaled = Lab(scale=run.scale, cache=lab.cache)
    return material_of(scaled, recipe, asked.data, asked.data_dir, asked.pair, vision=asked.vision, features=pictures)


def _trained(config: TranslatorConfig, lab: Lab, pictures: Path | None) -> Origin:
    source = config.pictures()
    if pictures is not None:
        raise LimbeckError("--pictures: the model learnt from pictures that its configuration names")
    if source is None:
        raise NothingToCompareError("The model learnt from text alone.")
    return Origin(config.chosen_arm(), Material(config.corpus(), source, config.recipe.model_dump_json(), lab.cache))
