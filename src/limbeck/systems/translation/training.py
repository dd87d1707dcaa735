"""The training of one arm with one seed, and what it translates afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limbeck.data.translation import PictureMaps
from limbeck.errors import LimbeckError
from limbeck.files import write_atomically, write_json
from limbeck.models.ikd_mmt.search import SearchOptions
from limbeck.models.ikd_mmt.translator import Translator
from limbeck.systems.translation.arms import ARMS, Arm
from limbeck.systems.translation.card import write_card
from limbeck.systems.translation.corpus import Corpus
from limbeck.systems.translation.pictures import Pictures
from limbeck.systems.translation.prepare import prepare
from limbeck.systems.translation.recipe import Recipe
from limbeck.systems.translation.scores import score_tests
from limbeck.systems.translation.text_handling import TextHandling
from limbeck.training.callbacks import Callback
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.run_folder import RunFolder, environment
from limbeck.training.translation import TranslationTask

WRONG_PICTURE_SEED = 7919


@dataclass(frozen=True)
class Trained:
    """What the training of an arm left behind.

    Args:
        hypotheses: Translations of every test, by its name.
        budget: What training took: ``steps``, ``translator_parameters`` and ``seconds``.
        parameters: Of the whole model at inference.
    """

    hypotheses: dict[str, list[str]]
    budget: dict[str, float]
    parameters: int

    @classmethod
    def load(cls, folder: Path) -> Trained | None:
        """What is in an arm's folder; ``None`` where its training has not ended."""
        done = folder / "done.json"
        if not done.is_file():
            return None
        noted = json.loads(done.read_text(encoding="utf-8"))
        hypotheses = {
            name: (folder / "hypotheses" / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]
            for name in noted["tests"]
        }
        return cls(hypotheses, noted["budget"], noted["parameters"])


def train_arm(
    arm: Arm,
    corpus: Corpus,
    pictures: Pictures | None,
    recipe: Recipe,
    folder: Path,
    *,
    seed: int,
    device: str = "cpu",
    resume: bool = False,
    progress: bool = False,
    callbacks: Sequence[Callback] = (),
    asked: Mapping[str, Any] | None = None,
    start: Path | None = None,
) -> Trained:
    """Train an arm, translate and score every test with it, and keep everything in its folder.

    Args:
        arm: Which arm.
        corpus: What it learns from and is tested on.
        pictures: Their pictures.
        recipe: How it is trained.
        folder: Where log, checkpoints, model, hypotheses and scores go.
        seed: Of the weights, the order and dropout.
        device: A torch device.
        resume: Whether to go on with what is in the folder.
        progress: Whether to show how far it is.
        callbacks: Told what happens.
        asked: What the user asked for, as ``config.yaml`` and the model's card say it; by default the arm and the
            recipe.
        start: A model folder whose vocabulary and weights it begins with; by default both are made anew.

    Raises:
        LimbeckError: If the arm needs pictures and there are none, a size does not fit, the folder holds another run,
            or ``start`` another kind of model.
    """
    run = RunFolder(folder, resume=resume)
    recipe = recipe.model_copy(update={"plan": recipe.plan.model_copy(update={"seed": seed})})
    config = asked or {
        "arm": arm.title,
        "seed": seed,
        "pair": corpus.pair,
        **({} if start is None else {"start_from": str(start)}),
        **recipe.model_dump(mode="json"),
    }
    ready = prepare(arm, corpus, pictures, recipe, seed, start)
    run.write_config({**config, "environment": environment()})
    task = TranslationTask(
        ready.model, ready.method, smoothing=recipe.smoothing, rdrop=recipe.rdrop, pictures=recipe.inverted_pictures
    )
    history = fit(
        task,
        ready.train.loader(recipe.batch_tokens, seed=seed),
        recipe.plan,
        run=run,
        validation_loader=ready.val.loader(recipe.batch_tokens, shuffle=False),
        resume=resume,
        accelerator=accelerator_on(device),
        progress=progress,
        callbacks=callbacks,
    )
    translator = Translator(ready.model, ready.tokenizer, _search(recipe))
    translator.save(folder / "model")
    TextHandling.of(corpus).write(folder / "model")
    hypotheses = translate_tests(translator, corpus, ready.pictures)
    _write_hypotheses(run, hypotheses)
    scores = score_tests(corpus, hypotheses)
    run.write_metrics({"tests": scores})
    write_card(folder / "model", arm, corpus, scores, config)
    sizes = ready.parameters()
    budget = {
        "steps": float(history.steps),
        "translator_parameters": float(sizes["translator"]),
        "seconds": history.seconds,
    }
    return _close(folder, Trained(hypotheses, budget, sizes["model"]))


def translate_with_wrong_pictures(
    image_must: Path, corpus: Corpus, pictures: Pictures, recipe: Recipe, folder: Path
) -> Trained:
    """Let a trained image-must model translate every test with other sentences' pictures."""
    start = time.perf_counter()
    run = RunFolder(folder, resume=True)
    translator = Translator.load(image_must / "model", _search(recipe))
    hypotheses = translate_tests(translator, corpus, pictures, wrong=True)
    _write_hypotheses(run, hypotheses)
    noted = json.loads((image_must / "done.json").read_text(encoding="utf-8"))
    budget = {**noted["budget"], "seconds": time.perf_counter() - start}
    return _close(folder, Trained(hypotheses, budget, noted["parameters"]))


def translate_tests(
    translator: Translator, corpus: Corpus, pictures: Pictures | None, *, wrong: bool = False
) -> dict[str, list[str]]:
    """Translate every test; only a model that reads pictures is given any."""
    found = {}
    for name, part in corpus.tests.items():
        visual = None
        if translator.model.config.visual == "given" and pictures is not None:
            maps = pictures.of(part)
            if wrong:
                maps = maps.shuffled(torch.Generator().manual_seed(WRONG_PICTURE_SEED))
            visual = _top_maps(maps, pictures.maps[-1].name)
        found[name] = translator.translate(part.source, visual=visual)
    return found


def _top_maps(maps: PictureMaps, name: str) -> Callable[[Sequence[int]], tuple[Tensor, Tensor]]:
    def of(sentences: Sequence[int]) -> tuple[Tensor, Tensor]:
        values, present = maps.of(sentences)
        top = values[name]
        features = top.new_zeros(len(sentences), *top.shape[1:])
        features[present] = top
        return features, present

    return of


def _search(recipe: Recipe) -> SearchOptions:
    return SearchOptions(beams=recipe.beams, length_penalty=recipe.length_penalty)


def _close(folder: Path, trained: Trained) -> Trained:
    """Mark an arm as done, last of all: what is marked is whole."""
    noted = {"tests": list(trained.hypotheses), "budget": trained.budget, "parameters": trained.parameters}
    write_json(folder / "done.json", noted)
    return trained


def _write_hypotheses(run: RunFolder, hypotheses: dict[str, list[str]]) -> None:
    for name, lines in hypotheses.items():
        write_atomically(run.hypotheses / f"{name}.txt", "".join(f"{line}\n" for line in lines))


def arm_named(name: str) -> Arm:
    """An arm by its name.

    Raises:
        LimbeckError: If there is none of that name.
    """
    if name not in ARMS:
        raise LimbeckError(f"arms: got {name!r}, possible: {', '.join(ARMS)}")
    return ARMS[name]
