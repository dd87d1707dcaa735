"""The training of one arm with one seed, and what it translates afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from limbeck.data.translation import PictureMaps, TranslationData
from limbeck.errors import LimbeckError
from limbeck.methods.base import Method
from limbeck.methods.ikd import InversionDistillation
from limbeck.methods.imagination import Imagination
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.ikd_mmt.search import SearchOptions
from limbeck.models.ikd_mmt.tokenization import train_tokenizer
from limbeck.models.ikd_mmt.translator import Translator
from limbeck.models.vision.maps import maps_to_json
from limbeck.systems.translation.arms import ARMS, Arm
from limbeck.systems.translation.card import write_card
from limbeck.systems.translation.corpus import Corpus, Part
from limbeck.systems.translation.device import accelerator_on
from limbeck.systems.translation.pictures import Pictures
from limbeck.systems.translation.recipe import Recipe
from limbeck.systems.translation.scores import score_tests
from limbeck.training.callbacks import Callback
from limbeck.training.loop import fit
from limbeck.training.run_folder import RunFolder, environment, write_atomically, write_json
from limbeck.training.seed import set_seed
from limbeck.training.translation import TranslationTask

WRONG_PICTURE_SEED = 7919


@dataclass(frozen=True)
class Trained:
    """What the training of an arm left behind.

    Args:
        hypotheses: Translations of every test, by its name.
        budget: What training took: ``steps``, ``tokens``, ``translator_parameters`` and ``seconds``.
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


def joint_tokenizer(corpus: Corpus, recipe: Recipe) -> PreTrainedTokenizerFast:
    """The joint subword vocabulary of the training sentences; the same whoever trains it.

    Raises:
        LimbeckError: If the recipe's vocabulary is too small to hold anything.
    """
    lines = [*corpus.train.source, *corpus.train.target]
    try:
        return train_tokenizer(lines, recipe.vocab_size, split_punctuation=not corpus.tokenized)
    except ValueError as error:
        raise LimbeckError(str(error)) from None


def build_model(recipe: Recipe, arm: Arm, vocabulary: int, pictures: Pictures | None) -> IKDMMTForTranslation:
    """An arm's untrained model.

    Raises:
        LimbeckError: If the arm needs pictures and there are none, or a size does not fit.
    """
    if arm.visual != "none" and pictures is None:
        raise LimbeckError(f"the arm {arm.title!r} needs pictures")
    try:
        config = IKDMMTConfig(
            vocab_size=vocabulary,
            d_model=recipe.d_model,
            encoder_layers=recipe.layers,
            decoder_layers=recipe.layers,
            num_heads=recipe.heads,
            ffn_dim=recipe.ffn_dim,
            dropout=recipe.dropout,
            kv=recipe.kv,
            visual=arm.visual,
            vision_maps=maps_to_json(pictures.maps) if pictures is not None and arm.visual != "none" else [],
            visual_grid=recipe.visual_grid,
            unpool=recipe.unpool,
        )
        return IKDMMTForTranslation(config)
    except ValueError as error:
        raise LimbeckError(str(error)) from None


def build_method(recipe: Recipe, arm: Arm, pictures: Pictures | None) -> Method | None:
    """What pictures teach an arm; ``None`` where nothing is distilled."""
    if pictures is None or arm.visual not in ("generated", "predicted"):
        return None
    if arm.visual == "predicted":
        return Imagination(pictures.maps[-1])
    # Stored vectors have no picture for the vision network to look at, so there is no KD-2 for them.
    kd2 = recipe.kd2 if arm.kd2 and pictures.teacher is not None else 0.0
    kd1 = recipe.kd1 if arm.kd1 else 0.0
    if not kd1 and not kd2:
        return None
    return InversionDistillation(
        pictures.maps, pictures.teacher, grain=recipe.grain, distance_name=recipe.distance, kd1=kd1, kd2=kd2
    )


@dataclass(frozen=True)
class Prepared:
    """An arm that is ready to be trained.

    Args:
        tokenizer: The joint tokenizer.
        model: The untrained model.
        method: What pictures teach it; ``None`` where they teach nothing.
        pictures: The pictures, where the arm looks at them in training.
        train: Training sentences.
        val: Validation sentences.
    """

    tokenizer: PreTrainedTokenizerFast
    model: IKDMMTForTranslation
    method: Method | None
    pictures: Pictures | None
    train: TranslationData
    val: TranslationData

    def parameters(self) -> dict[str, int]:
        """Sizes: ``model`` at inference, its ``generator`` of visual features, and the text ``translator`` alone.

        Visual tokens and Imagination's head are part of what an arm is, so arms are compared by the translator.
        """
        inverse, visual = self.model.encoder.inverse, self.model.encoder.visual_tokens
        whole, generator = _size(self.model), _size(inverse)
        # Below the top map the generator only learns, and the imagined vector is never looked at.
        idle = _size(inverse.blocks if inverse is not None else self.model.imagine)
        return {
            "model": whole - idle,
            "generator": generator,
            "translator": whole - generator - _size(visual) - _size(self.model.imagine),
        }


def prepare(arm: Arm, corpus: Corpus, pictures: Pictures | None, recipe: Recipe, seed: int) -> Prepared:
    """Make an arm's vocabulary, model, method and data.

    Raises:
        LimbeckError: If the arm needs pictures and there are none, or a size does not fit.
    """
    tokenizer = joint_tokenizer(corpus, recipe)
    set_seed(seed)
    model = build_model(recipe, arm, len(tokenizer), pictures)
    method = build_method(recipe, arm, pictures)
    reads = pictures if method is not None or arm.visual == "given" else None
    train, val = (_data(part, tokenizer, reads) for part in (corpus.train, corpus.val))
    return Prepared(tokenizer, model, method, reads, train, val)


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

    Raises:
        LimbeckError: If the arm needs pictures and there are none, a size does not fit, or the folder holds another
            run.
    """
    run = RunFolder(folder, resume=resume)
    recipe = recipe.model_copy(update={"plan": recipe.plan.model_copy(update={"seed": seed})})
    config = asked or {"arm": arm.title, "seed": seed, "pair": corpus.pair, **recipe.model_dump(mode="json")}
    ready = prepare(arm, corpus, pictures, recipe, seed)
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
    translator = Translator(ready.model, ready.tokenizer, SearchOptions(beams=recipe.beams))
    translator.save(folder / "model")
    write_json(folder / "model" / "limbeck.json", _text_handling(corpus))
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
    translator = Translator.load(image_must / "model", SearchOptions(beams=recipe.beams))
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


def _data(part: Part, tokenizer: PreTrainedTokenizerFast, pictures: Pictures | None) -> TranslationData:
    return TranslationData(part.source, part.target, tokenizer, None if pictures is None else pictures.of(part))


def _size(module: nn.Module | None) -> int:
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())


def _text_handling(corpus: Corpus) -> dict[str, str]:
    source, target = corpus.pair.split("-")
    return {"text": "tok" if corpus.tokenized else "plain", "source": source, "target": target}


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
