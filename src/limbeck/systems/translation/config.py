"""What `limbeck train` is told: files, the arm, the vision network and the recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from limbeck.errors import LimbeckError, near_matches
from limbeck.settings import Settings, read_changed
from limbeck.systems.translation.arms import ARMS, Arm
from limbeck.systems.translation.files import FileCorpus, ParallelFiles
from limbeck.systems.translation.pictures import PictureSource
from limbeck.systems.translation.recipe import Recipe
from limbeck.training.plan import Plan

TRAINABLE = tuple(name for name, arm in ARMS.items() if not arm.wrong_picture)

PLAN: dict[str, Any] = {"lr": 2e-3, "betas": (0.9, 0.98), "warmup": 400, "schedule": "cosine", "epochs": 20}
"""What a recipe's plan leaves out."""


class Vision(Settings):
    """What sees the pictures.

    Args:
        network: ``"efficientnet-lite0"``, or a folder or hub name of a backbone of `transformers`.
        size: Height and width at which it sees them.
    """

    network: str = "efficientnet-lite0"
    size: Annotated[int, Field(ge=32)] = 112


class TranslatorConfig(Settings):
    """One translator on one's own text.

    Args:
        pair: Languages, as ``"en-de"``.
        arm: What pictures do for it (see :data:`~limbeck.systems.translation.arms.ARMS`).
        train: To learn from; paths are relative to the configuration file.
        val: To choose by.
        tests: To report, by name; without any, scores are those of ``val``.
        tokenized: Whether the text is lower-cased and tokenised.
        vision: What sees the pictures.
        start_from: A model folder, as an earlier training left it, whose vocabulary and weights it begins with.
        seed: Of weights, order and dropout.
        recipe: Sizes and training; what its plan leaves out is taken from :data:`PLAN`.
        environment: What a run noted of its machine; it has no part in the training.

    Raises:
        LimbeckError: A key is unknown or a value is not possible.
    """

    pair: str
    arm: str = "ikd"
    train: ParallelFiles
    val: ParallelFiles
    tests: dict[str, ParallelFiles] = Field(default_factory=dict)
    tokenized: bool = False
    vision: Vision = Vision()
    start_from: Path | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    recipe: Recipe = Field(default_factory=lambda: Recipe(plan=Plan(**PLAN)))
    environment: dict[str, Any] = Field(default_factory=dict)

    @field_validator("pair")
    @classmethod
    def _two_languages(cls, pair: str) -> str:
        languages = pair.split("-")
        if len(languages) != 2 or languages[0] == languages[1] or not all(map(_LANGUAGE.fullmatch, languages)):
            raise ValueError("expected two different language codes, as 'en-de'")
        return pair

    @field_validator("arm")
    @classmethod
    def _known_arm(cls, arm: str) -> str:
        if arm not in TRAINABLE:
            raise ValueError(near_matches(arm, TRAINABLE, most=len(TRAINABLE)))
        return arm

    @field_validator("tests")
    @classmethod
    def _file_names(cls, tests: dict[str, ParallelFiles]) -> dict[str, ParallelFiles]:
        for name in tests:
            if not _FILE_NAME.fullmatch(name):
                raise ValueError(f"a test's name becomes a file's: {name!r} should be letters, digits, '.', '_' or '-'")
        return tests

    @field_validator("recipe", mode="before")
    @classmethod
    def _with_plan(cls, recipe: Any) -> Any:
        """Fill the plan up; a length of one kind is not joined with a default of the other."""
        if not isinstance(recipe, Mapping):
            return recipe
        given = recipe.get("plan", {})
        if not isinstance(given, Mapping):
            return recipe
        plan = {**PLAN, **given}
        if "max_steps" in given:
            plan["warmup"] = given.get("warmup", min(400, _tenth(given["max_steps"])))
            plan["epochs"] = given.get("epochs")
        return {**recipe, "plan": plan}

    @classmethod
    def read_changed(cls, path: str | Path, changes: Sequence[str] = ()) -> TranslatorConfig:
        """Read the file, with changes; paths in the result are absolute.

        Args:
            path: A YAML file.
            changes: As ``"recipe.plan.lr=0.001"``; values are YAML.

        Raises:
            LimbeckError: The file cannot be read, or it or a change holds a wrong key or value.
        """
        values = read_changed(path, changes)
        try:
            return cls(**values)._placed(Path(path).resolve().parent)
        except LimbeckError as error:
            raise LimbeckError(f"{path}: {error}") from None

    def chosen_arm(self) -> Arm:
        """The arm itself."""
        return ARMS[self.arm]

    def corpus(self) -> FileCorpus:
        """Where the text is."""
        return FileCorpus(self.pair, self.train, self.val, tuple(self.tests.items()), self.tokenized)

    def pictures(self) -> PictureSource | None:
        """How pictures are seen; ``None`` where the arm needs none.

        Raises:
            LimbeckError: The arm needs pictures, and there are none to learn from.
        """
        if self.chosen_arm().visual == "none":
            return None
        if self.train.pictures is None:
            raise LimbeckError(
                f"the arm {self.arm!r} learns from pictures: give train.pictures, or take arm: text-only"
            )
        return PictureSource("files", network=self.vision.network, size=self.vision.size)

    def _placed(self, base: Path) -> TranslatorConfig:
        network = base / self.vision.network
        vision = self.vision.model_copy(update={"network": str(network)}) if network.is_dir() else self.vision
        placed: dict[str, Any] = {"train": self.train.placed(base), "val": self.val.placed(base), "vision": vision}
        tests = {name: files.placed(base) for name, files in self.tests.items()}
        if self.start_from is not None:
            placed["start_from"] = base / self.start_from.expanduser()
        return self.model_copy(update={**placed, "tests": tests})


_LANGUAGE = re.compile(r"[a-z]{2,3}")
_FILE_NAME = re.compile(r"[\w-][\w.-]*")


def _tenth(steps: Any) -> int:
    """What is no number is refused later, by the plan itself."""
    return steps // 10 if isinstance(steps, int) else 0
