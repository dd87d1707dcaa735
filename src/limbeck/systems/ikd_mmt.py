"""IKD-MMT: translation that learnt from pictures and needs none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from limbeck.errors import LimbeckError
from limbeck.evaluation.ambiguity import AmbiguityAccuracy
from limbeck.evaluation.meteor import Meteor
from limbeck.evaluation.metrics import BLEU, TER, ChrF
from limbeck.systems.findings import ClaimRow, Findings
from limbeck.systems.jobs import run_jobs
from limbeck.systems.lab import Lab
from limbeck.systems.registry import system
from limbeck.systems.translation.arms import ARMS
from limbeck.systems.translation.corpus import Corpus, Multi30kCorpus, Part, WorldCorpus
from limbeck.systems.translation.job import (
    Material,
    TranslationJob,
    read_corpus,
    read_pictures,
    run_translation_job,
    started_from,
)
from limbeck.systems.translation.pictures import PictureSource
from limbeck.systems.translation.recipe import Recipe
from limbeck.systems.translation.training import Trained, arm_named
from limbeck.training.plan import Plan

AMBIGUOUS = "ambiguous words"


@system(
    slug="ikd-mmt",
    title="Distill the Image to Nowhere: Inversion Knowledge Distillation for Multimodal Machine Translation",
    year=2022,
    arxiv="2210.04468",
    domain="translation",
    needs=("hidden",),
    claim="A translator that generates its visual features translates like one that sees the picture.",
)
def ikd_mmt(
    lab: Lab,
    *,
    data: Literal["world", "multi30k"] = "world",
    data_dir: Path | None = None,
    pair: str = "en-de",
    arms: str = "",
    vision: Literal["labels", "pooled", "photos"] = "labels",
    features: Path | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    recipe: Path | None = None,
    start_from: Path | None = None,
    workers: int | None = None,
) -> Findings:
    """A frozen vision network teaches a generator inside a translator to imagine the picture of a sentence.

    The teacher D sees the real picture I. The student embeds the sentence s; an inverse network G turns its mean
    embedding into D's top feature map, and on downwards into a picture G_0(s). The top map, as visual tokens, goes
    through the translator in training and at inference alike, so translating needs no picture.

        loss = CE + kd1 * sum over maps k of d(G_k(s), D_k(I)) + kd2 * sum over maps k of d(D_k(G_0(s)), D_k(I))

    d is the mean squared difference of maps that are standardised a channel. The released code keeps G outside the
    model, so that it is neither trained nor saved, and its distances are, by the tensors' shapes, some seven orders of
    magnitude below CE; here G is part of the model, and the arms without KD-1, KD-2 and both show what they are for.

    On the world's captions a few words are ambiguous and the setting decides them; in the test "ambiguous words" the
    nouns that name the setting never stood beside an ambiguous word in training. On Multi30k (`--data multi30k
    --data-dir FOLDER`) the picture is a vector of region labels, pooled CNN features or a photo (`--vision`), and the
    first two leave no picture to invert, and so no KD-2.

    With `--start-from RUN` every arm begins with the weights that it had at the end of that run.
    """
    _check_pair(data, pair)
    names = _arm_names(arms, data)
    chosen = Recipe.read(recipe) if recipe else _world_recipe(lab) if data == "world" else _multi30k_recipe()
    chosen = _with_length(chosen, steps, epochs)
    material = material_of(lab, chosen, data, data_dir, pair, vision=vision, features=features, start_from=start_from)
    _same_recipe(lab, material)
    corpus = read_corpus(material)
    lab.say(f"{len(corpus.train)} training sentences, {pair}; arms: {', '.join(names)}")
    if any(ARMS[name].visual != "none" for name in names):
        read_pictures(material)

    findings = Findings()
    jobs = [_job(lab, name, seed, material) for seed in lab.seeds for name in names]
    for job in jobs:
        model = started_from(job)
        if model is not None and not ARMS[job.arm].wrong_picture and not model.is_dir():
            raise LimbeckError(f"--start-from: the run has not trained {job.arm} with seed {job.seed}: no {model}")
    results: dict[TranslationJob, Trained] = {}
    # Who translates with wrong pictures needs the model that was trained with the right ones.
    for stage in ([job for job in jobs if ARMS[job.arm].wrong_picture is wrong] for wrong in (False, True)):
        ended = run_jobs(run_translation_job, stage, workers=workers, device=lab.device)
        for done, (job, result) in enumerate(ended, 1):
            results[job] = result
            lab.say(f"{job.arm}, seed {job.seed}: {result.budget['seconds']:.0f} s ({done} of {len(stage)})")
    for job in jobs:  # not as they came: tables shall not depend on who was first
        _add(findings, corpus, job, results[job])
    _claims(findings, names, data)
    if data == "multi30k" and vision != "photos":
        findings.notes.append(
            f"pictures are given by {vision}, which leave nothing to invert: no arm has KD-2, so that IKD without KD-1 "
            "is IKD without both"
        )
        unseen = [name for name, part in corpus.tests.items() if not _seen(material, part)]
        if unseen and "image-must" in names:
            findings.notes.append(f"no sentence of {', '.join(unseen)} has a picture: there, image-must sees none")
    return findings


def material_of(
    lab: Lab,
    recipe: Recipe,
    data: str,
    data_dir: Path | None,
    pair: str,
    *,
    vision: str,
    features: Path | None,
    start_from: Path | None = None,
) -> Material:
    """What all arms of a run share; whoever asks as the run did finds again what it learnt from.

    Raises:
        LimbeckError: The options do not fit together, or a file is missing.
    """
    corpus, source = _corpus(lab, data, data_dir, pair), _source(data, data_dir, vision, features, lab)
    return Material(corpus, source, recipe.model_dump_json(), lab.cache, start_from)


def _world_recipe(lab: Lab) -> Recipe:
    steps = lab.pick(smoke=30, default=1300, full=3000)
    return Recipe(
        vocab_size=3000,
        d_model=64,
        layers=2,
        heads=2,
        ffn_dim=128,
        dropout=0.0,
        batch_tokens=1024,
        visual_grid=1,
        inverted_pictures=4,
        plan=Plan(lr=8e-3, warmup=steps // 10, schedule="cosine", max_steps=steps, validate_every=max(steps // 5, 1)),
    )


def _multi30k_recipe() -> Recipe:
    plan = Plan(lr=5e-3, betas=(0.9, 0.98), warmup=800, schedule="cosine", epochs=24, average_last=5)
    return Recipe(batch_tokens=1024, dropout=0.2, inverted_pictures=4, plan=plan)


def _with_length(recipe: Recipe, steps: int | None, epochs: int | None) -> Recipe:
    """The recipe with another length of training; the warm-up keeps its share."""
    if steps is None and epochs is None:
        return recipe
    warmup = recipe.plan.warmup if steps is None else min(recipe.plan.warmup, steps // 10)
    plan = Plan(**{**recipe.plan.model_dump(), "max_steps": steps, "epochs": epochs, "warmup": warmup})
    return recipe.model_copy(update={"plan": plan})


def _corpus(lab: Lab, data: str, data_dir: Path | None, pair: str) -> WorldCorpus | Multi30kCorpus:
    if data == "world":
        if data_dir is not None:
            raise LimbeckError("--data-dir is for real data; the world needs none. Add --data multi30k")
        sentences = lab.pick(smoke=200, default=3000, full=20_000)
        held_out = lab.pick(smoke=50, default=500, full=2000)
        return WorldCorpus(pair, sentences, held_out, ambiguous_share=0.5, context_share=0.9, words=12)
    if data_dir is None:
        raise LimbeckError("--data multi30k needs --data-dir, a copy of the Multi30k repository")
    return Multi30kCorpus(data_dir, pair, lab.pick(smoke=200, default=None, full=None))


def _source(data: str, data_dir: Path | None, vision: str, features: Path | None, lab: Lab) -> PictureSource:
    if data == "world":
        if features is not None:
            raise LimbeckError("--features is for real data; the world draws its own pictures. Add --data multi30k")
        return PictureSource("world", steps=lab.pick(smoke=20, default=300, full=1000))
    beside = (data_dir or Path()).resolve().parent
    places = {
        "labels": beside / "multi30k_features" / "fm30k_image_frames.npz",
        "pooled": beside / "multi30k_features" / "cnn_efficientnet_lite0.npz",
        "photos": beside / "flickr8k_photos" / "photos_112.npz",
    }
    path = features or places[vision]
    if not path.is_file():
        raise LimbeckError(f"no {vision} at {path}; say where they are with --features, or choose another --vision")
    if vision == "photos":
        return PictureSource("photos", path)
    return PictureSource("pooled" if vision == "pooled" else "labels", path)


def _check_pair(data: str, pair: str) -> None:
    if data == "world" and pair not in ("en-de", "en-fr"):
        raise LimbeckError(f"pair: got {pair!r}, the world's captions are translated en-de or en-fr")


def _arm_names(arms: str, data: str) -> list[str]:
    """The arms that were asked for, in the order of the table; all on the world, the two that matter on real data."""
    if arms in ("", "all"):
        return list(ARMS) if data == "world" or arms else ["text-only", "ikd"]
    wanted = [name.strip() for name in arms.split(",")]
    for name in wanted:
        arm_named(name)
    if "image-wrong" in wanted:
        wanted.append("image-must")
    return [name for name in ARMS if name in wanted]


def _job(lab: Lab, arm: str, seed: int, material: Material) -> TranslationJob:
    folder = lab.folder(arm) / f"seed-{seed}"
    return TranslationJob(arm, seed, folder, material, lab.device, lab.resume, progress=not lab.quiet)


def _add(findings: Findings, corpus: Corpus, job: TranslationJob, trained: Trained) -> None:
    arm = ARMS[job.arm]
    findings.declare(
        job.arm, role=arm.role, title=arm.title, description=arm.description, parameters=trained.parameters
    )
    findings.spend(job.arm, job.seed, **trained.budget)
    tokenize = "none" if corpus.tokenized else "13a"
    for name, part in corpus.tests.items():
        hypotheses = trained.hypotheses[name]
        if any(part.ambiguous):
            accuracy = AmbiguityAccuracy()
            column = AMBIGUOUS if name == "ambiguous" else f"{AMBIGUOUS}, {name}"
            findings.add(
                job.arm, accuracy, job.seed, accuracy.statistics(_tokens(hypotheses), part.ambiguous), column=column
            )
        if name == "ambiguous":
            continue
        metrics = (
            BLEU(lowercase=True, tokenize=tokenize),
            Meteor(corpus.target_language, tokenize=tokenize),
            ChrF(lowercase=True),
            TER(lowercase=True),
        )
        for metric in metrics:
            statistics = metric.statistics(hypotheses, part.target)
            findings.add(job.arm, metric, job.seed, statistics, column=f"{metric.name} {name}")


def _same_recipe(lab: Lab, material: Material) -> None:
    """Keep the recipe itself, not its path: the arms of a run that goes on must all be trained by the same one.

    Raises:
        LimbeckError: If the run began with another recipe.
    """
    kept = lab.folder() / "recipe.json"
    if kept.is_file() and kept.read_text(encoding="utf-8") != material.recipe:
        raise LimbeckError(f"{kept}: the run began with another recipe; take it, or another folder")
    kept.write_text(material.recipe, encoding="utf-8")


def _seen(material: Material, part: Part) -> bool:
    """Whether any sentence of a test has a picture."""
    return bool((read_pictures(material).of(part).rows >= 0).any())


def _tokens(sentences: list[str]) -> list[str]:
    """Punctuation set apart: forms of ambiguous words are looked for as tokens."""
    return [re.sub(r"([.,'])", r" \1 ", sentence) for sentence in sentences]


def _claims(findings: Findings, names: list[str], data: str) -> None:
    metric = AMBIGUOUS if data == "world" else "BLEU test_2016_flickr"
    where = "on ambiguous words" if data == "world" else "in BLEU on test_2016_flickr"
    stated: list[ClaimRow] = [
        (f"IKD is better than text alone {where}", "ikd", "text-only", metric),
        (f"IKD is better than its network without both losses {where}", "ikd", "ikd-without-both", metric),
        (f"IKD comes within 3 points of a model that sees the picture {where}", "ikd", "image-must", metric, -3.0),
        (f"IKD is better than a model that sees a wrong picture {where}", "ikd", "image-wrong", metric),
    ]
    findings.claim_all(*(row for row in stated if {row[1], row[2]} <= set(names)))
