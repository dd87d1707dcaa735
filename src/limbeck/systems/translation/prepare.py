"""What an arm needs before it is trained: vocabulary, model, method and data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn
from transformers import PreTrainedConfig, PreTrainedTokenizerFast

from limbeck.data.translation import TranslationData
from limbeck.errors import LimbeckError
from limbeck.methods.base import Method
from limbeck.methods.ikd import InversionDistillation
from limbeck.methods.imagination import Imagination
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.ikd_mmt.tokenization import train_tokenizer
from limbeck.models.ikd_mmt.translator import Translator
from limbeck.models.size import parameters_of
from limbeck.models.vision.maps import maps_to_json
from limbeck.systems.translation.arms import Arm
from limbeck.systems.translation.corpus import Corpus, Part
from limbeck.systems.translation.pictures import Pictures
from limbeck.systems.translation.recipe import Recipe
from limbeck.systems.translation.text_handling import TextHandling
from limbeck.training.seed import set_seed


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


def prepare(
    arm: Arm, corpus: Corpus, pictures: Pictures | None, recipe: Recipe, seed: int, start: Path | None = None
) -> Prepared:
    """Make an arm's vocabulary, model, method and data.

    Args:
        arm: Which arm.
        corpus: What it learns from.
        pictures: Their pictures.
        recipe: How model and training are made.
        seed: Of the weights.
        start: A model folder whose vocabulary and weights it begins with; by default both are made anew.

    Raises:
        LimbeckError: If the arm needs pictures and there are none, a size does not fit, or ``start`` holds another
            kind of model.
    """
    begun = None if start is None else Translator.load(start)
    tokenizer = joint_tokenizer(corpus, recipe) if begun is None else begun.tokenizer
    set_seed(seed)
    model = build_model(recipe, arm, len(tokenizer), pictures)
    if start is not None and begun is not None:
        _same_text(start, corpus)
        _same_shape(start, begun.model.config, model.config)
        model.load_state_dict(begun.model.state_dict())
    method = build_method(recipe, arm, pictures)
    reads = pictures if method is not None or arm.visual == "given" else None
    train, val = (_data(part, tokenizer, reads) for part in (corpus.train, corpus.val))
    return Prepared(tokenizer, model, method, reads, train, val)


def _same_text(start: Path, corpus: Corpus) -> None:
    noted, asked = TextHandling.read(start), TextHandling.of(corpus)
    if noted is not None and noted != asked:
        raise LimbeckError(f"{start}: the model translates {noted}; training cannot go on with {asked}")


def _same_shape(start: Path, begun: PreTrainedConfig, asked: PreTrainedConfig) -> None:
    """Refuse to go on with a model that computes something else; dropout may change."""
    then, now = begun.to_dict(), asked.to_dict()
    for name in sorted(IKDMMTConfig().to_dict().keys() - PreTrainedConfig().to_dict().keys()):
        if "dropout" not in name and then.get(name) != now.get(name):
            told = f"{name} {then.get(name)!r}; training cannot go on with {now.get(name)!r}"
            raise LimbeckError(f"{start}: the model has {told}")


def _data(part: Part, tokenizer: PreTrainedTokenizerFast, pictures: Pictures | None) -> TranslationData:
    return TranslationData(part.source, part.target, tokenizer, None if pictures is None else pictures.of(part))


def _size(module: nn.Module | None) -> int:
    return 0 if module is None else parameters_of(module)
