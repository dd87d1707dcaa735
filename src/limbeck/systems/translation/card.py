"""The model card: what a reader of a saved translator should know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from limbeck.files import write_atomically
from limbeck.systems.translation.arms import Arm
from limbeck.systems.translation.corpus import Corpus

IKD_MMT = (
    'Peng, Zeng and Zhao, "Distill the Image to Nowhere: Inversion Knowledge Distillation for Multimodal Machine '
    'Translation", EMNLP 2022, [arXiv 2210.04468](https://arxiv.org/abs/2210.04468).'
)
IMAGINATION = (
    'Elliott and Kádár, "Imagination improves Multimodal Translation", IJCNLP 2017, '
    "[arXiv 1705.04350](https://arxiv.org/abs/1705.04350)."
)


def write_card(folder: Path, arm: Arm, corpus: Corpus, scores: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Write a model's ``README.md``; its front matter holds the scores as the Hub's ``model-index``.

    Args:
        folder: The model's.
        arm: How it was trained.
        corpus: What it was trained on.
        scores: As :func:`~limbeck.systems.translation.scores.score_tests` gives them.
        config: What was asked for.
    """
    source, target = corpus.pair.split("-")
    title = f"{arm.title}, {source} to {target}"
    front = ModelCardData(
        language=[source, target],
        library_name="limbeck",
        pipeline_tag="translation",
        model_name=title,
        eval_results=_results(corpus, scores) or None,
    )
    parts = [
        f"---\n{front.to_yaml()}\n---",
        f"# {title}",
        f"{_method(arm)}\n\n{_use(arm)}",
        f"## Data\n\n{_data(corpus)}",
        f"## Scores\n\n{_table(scores)}",
        f"## Configuration\n\n```yaml\n{yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)}```",
        f"## Reference\n\n{IMAGINATION if arm.visual == 'predicted' else IKD_MMT}",
    ]
    write_atomically(folder / "README.md", "\n\n".join(parts) + "\n")


def _results(corpus: Corpus, scores: Mapping[str, Any]) -> list[EvalResult]:
    """Every score in the Hub's terms: the pair is the data set's configuration, the test its split."""
    return [
        EvalResult(
            task_type="translation",
            task_name=f"Translation {corpus.pair}",
            dataset_name=corpus.name,
            dataset_type=corpus.name.lower().replace(" ", "-"),
            dataset_config=corpus.pair,
            dataset_split=test,
            # The name tells which METEOR it is; the type is what the Hub knows.
            metric_type=name.partition("-")[0].lower(),
            metric_name=name,
            metric_value=one["value"],
            metric_args={"signature": one["signature"]},
        )
        for test, found in scores.items()
        for name, one in found["metrics"].items()
    ]


def _method(arm: Arm) -> str:
    about = f"{arm.title}: {arm.description or 'generates its visual features'}."
    losses = [name for name, used in (("KD-1", arm.kd1), ("KD-2", arm.kd2)) if used]
    return about + (f" Trained by inversion knowledge distillation ({' and '.join(losses)})." if losses else "")


def _use(arm: Arm) -> str:
    if arm.visual == "given":
        return "It reads a picture's feature map beside each sentence, so `limbeck translate` cannot use it."
    return "It needs no picture:\n\n```sh\nlimbeck translate MODEL 'A dog runs.'\n```"


def _data(corpus: Corpus) -> str:
    text = "lower-cased and tokenised" if corpus.tokenized else "as it is written"
    counts = {"training": corpus.train, "validation": corpus.val, **corpus.tests}
    listed = ", ".join(f"{len(part):,} {name}" for name, part in counts.items())
    return "\n".join([f"Text {text}; sentences: {listed}.", "", *(f"- `{line}`" for line in corpus.origin)])


def _table(scores: Mapping[str, Any]) -> str:
    lines = ["| test | metric | score | 95% interval | signature |", "| --- | --- | ---: | ---: | --- |"]
    for test, found in scores.items():
        for name, one in found["metrics"].items():
            signature = one["signature"].replace("|", "\\|")
            interval = f"[{one['low']:.2f}, {one['high']:.2f}]"
            lines.append(f"| {test} | {name} | {one['value']:.2f} | {interval} | {signature} |")
    return "\n".join(lines)
