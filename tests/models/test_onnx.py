"""An exported translator finds what PyTorch finds, from any batch and with any beam."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.ikd_mmt.onnx_export import TOLERANCE, largest_difference, write_graphs
from limbeck.models.ikd_mmt.onnx_model import OnnxTranslation
from limbeck.models.ikd_mmt.search import SearchOptions, search
from tests.models.toys import EOS, translator

CASES: dict[str, dict[str, Any]] = {
    "none": {},
    "generated": {},
    "predicted": {"decoder_layers": 1},
    "generated full": {"unpool": "full", "visual_grid": 1, "kv": "input"},
}


@pytest.fixture(scope="module", params=CASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[IKDMMTForTranslation, Path]:
    model = translator(request.param.split()[0], encoder_layers=1, **CASES[request.param]).float()
    folder = tmp_path_factory.mktemp("exported")
    model.config.save_pretrained(folder)
    write_graphs(model, folder)
    return model, folder


def sources(sentences: int, longest: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sentences)
    ids = torch.randint(3, 13, (sentences, longest), generator=generator)
    for row, length in enumerate(torch.randint(1, longest, (sentences,), generator=generator).tolist()):
        ids[row, length], ids[row, length + 1 :] = EOS, 0
    return ids


def test_same_hypotheses(pair: tuple[IKDMMTForTranslation, Path]) -> None:
    model, folder = pair
    exported = OnnxTranslation.load(folder)
    for beams, ids in ((1, sources(7, 9)), (5, sources(12, 11)), (3, sources(1, 2)), (2, torch.tensor([[EOS]]))):
        # Limits differ from sentence to sentence, so that sentences leave the batch at different steps.
        options = SearchOptions(beams, 0.8, max_ratio=1.0, max_extra=3)
        expected, found = (search(one, ids, options) for one in (model, exported))
        assert [[one.tokens for one in row] for row in found] == [[one.tokens for one in row] for row in expected]
        scores, wanted = ([one.score for row in rows for one in row] for rows in (found, expected))
        assert scores == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        assert beams == 1 or len({len(one.tokens) for row in found for one in row}) > 1 or len(ids) == 1


def test_the_check_after_export_sees_other_weights(pair: tuple[IKDMMTForTranslation, Path]) -> None:
    model, folder = pair
    exported = OnnxTranslation.load(folder)
    assert largest_difference(model, exported) < 0.1 * TOLERANCE
    for name in ("encoder.layers.0.ffn.up.weight", "decoder.layers.0.cross_attention.out.bias"):
        weight = model.get_parameter(name)
        kept = weight.data.clone()
        weight.data[0] += 0.05
        assert largest_difference(model, exported) > TOLERANCE
        weight.data.copy_(kept)


def test_graphs_of_another_model(pair: tuple[IKDMMTForTranslation, Path], tmp_path: Path) -> None:
    _, folder = pair
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"decoder_layers": 3}))
    with pytest.raises(LimbeckError, match=r"decoder_step\.onnx and config\.json do not belong together"):
        OnnxTranslation.load(tmp_path)
