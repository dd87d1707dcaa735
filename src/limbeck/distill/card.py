"""The model card of a distilled student."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, ModelCardData

from limbeck.distill.config import DistillConfig, TaskName
from limbeck.distill.models import CLASSES, Sizes
from limbeck.distill.prepare import Ready
from limbeck.files import write_atomically

PIPELINES: dict[TaskName, str] = {
    "causal-lm": "text-generation",
    "seq2seq": "text2text-generation",
    "sequence-classification": "text-classification",
    "token-classification": "token-classification",
    "embedding": "feature-extraction",
    "image-classification": "image-classification",
}


def write_card(folder: Path, config: DistillConfig, ready: Ready, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Write a model's ``README.md``: method with citation, teacher, data, metrics, configuration.

    Args:
        folder: The model's.
        config: What was asked for.
        ready: The models and the data.
        metrics: Of the student before and after, and of the teacher where it was at hand.
    """
    teacher = Path(config.teacher).name
    title = f"A student of {teacher}"
    data = config.data
    held_out = data.test or data.val
    judged = held_out.title() if held_out is not None else f"{data.val_share:.0%} of {data.train.title()}, held out"
    front = ModelCardData(
        library_name="transformers",
        pipeline_tag=PIPELINES[config.task],
        tags=["knowledge-distillation", "limbeck"],
        model_name=title,
        eval_results=[
            EvalResult(
                task_type=PIPELINES[config.task],
                dataset_name=judged,
                dataset_type=(held_out.dataset if held_out is not None else None) or "own",
                metric_type=name,
                metric_name=name,
                metric_value=value,
            )
            for name, value in metrics["student"].items()
        ],
    )
    method = ready.task.method
    about = f"{type(method).__name__} (`{config.method}`)" if method is not None else "cross-entropy alone"
    if config.cross_entropy:
        about += f", with {config.cross_entropy} times the cross-entropy against the data's labels"
    sizes = Sizes.of(ready.student)
    store = f", by its stored outputs in `{config.store}`" if config.store is not None else ""
    loader, processor = ("AutoTokenizer", "tokenizer")
    if config.task == "image-classification":
        loader, processor = ("AutoImageProcessor", "processor")
    what, number = next(iter(ready.splits.train.amounts().items()))
    sections = [
        f"---\n{front.to_yaml()}\n---",
        f"# {title}",
        f"{sizes.parameters:,} parameters, taught by `{config.teacher}`{store}.",
        f"```python\nfrom transformers import {CLASSES[config.task]}, {loader}\n\n"
        f'model = {CLASSES[config.task]}.from_pretrained("MODEL")\n'
        f'{processor} = {loader}.from_pretrained("MODEL")\n```',
        f"## Method\n\n{about}.",
        f"## Data\n\n{number:,} {what} of {data.train.title()}; judged on {judged}.",
        f"## Metrics\n\n{_table(metrics)}",
        f"## Configuration\n\n```yaml\n{yaml.safe_dump(config.asked(), sort_keys=False, allow_unicode=True)}```",
    ]
    if method is not None and method.reference:
        sections.append(f"## Reference\n\n{method.reference}.")
    write_atomically(folder / "README.md", "\n\n".join(sections) + "\n")


def _table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for one in metrics.values() for name in one))
    lines = [f"| metric | {' | '.join(metrics)} |", f"| --- |{' ---: |' * len(metrics)}"]
    for name in names:
        cells = (f"{one[name]:.4f}" if name in one else "" for one in metrics.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
