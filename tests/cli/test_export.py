"""`limbeck export`: a folder that translates alone, and what is refused."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from limbeck.cli.app import execute
from limbeck.models.ikd_mmt import onnx_export
from limbeck.models.vision.maps import MapSpec, maps_to_json
from limbeck.systems.translation.text_handling import TextHandling
from tests.cli.test_translate import LINES, tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny(tmp_path_factory.mktemp("model"))
    TextHandling("tok", "en", "de").write(folder)
    return folder


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "onnx"
    assert execute(["export", str(model), "--out", str(folder)]) == 0
    return folder


def test_the_exported_folder_stands_alone(
    model: Path, exported: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "moved"
    shutil.copytree(exported, alone)
    assert sorted(path.name for path in exported.parent.iterdir()) == ["onnx"]
    arguments = [*LINES, "--beam", "3", "--n-best", "2", "--scores"]
    assert execute(["translate", str(model), *arguments]) == 0
    expected = capfd.readouterr()
    assert execute(["translate", str(alone), "--backend", "onnx", *arguments]) == 0
    found = capfd.readouterr()
    assert found.out == expected.out
    assert found.err == ""
    assert len(set(expected.out.splitlines())) > 8


def test_says_how_far_off_it_is(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "empty"
    out.mkdir()
    assert execute(["export", str(model), "--out", str(out)]) == 0
    written = capfd.readouterr()
    assert written.out.startswith(f"{out}: logits differ from PyTorch's by at most ")
    assert written.out.count("\n") == 1
    assert written.err == ""


def test_what_differs_too_much_is_not_kept(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)
    assert execute(["export", str(model), "--out", str(tmp_path / "out")]) == 1
    assert "the exported graphs differ from PyTorch by " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:3000])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shutil.rmtree, "no such folder"),
        (without("encoder.onnx"), "no file 'encoder.onnx' in it; expected a folder as `limbeck export` writes"),
        (without("decoder_step.onnx"), "no file 'decoder_step.onnx' in it"),
        (without("tokenizer.json"), "no file 'tokenizer.json' in it"),
        (cut("encoder.onnx"), "encoder.onnx: cannot be loaded"),
        (cut("decoder_step.onnx"), "decoder_step.onnx: cannot be loaded"),
    ],
)
def test_what_is_no_exported_folder(
    exported: Path, tmp_path: Path, change: Callable[[Path], object], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "onnx"
    shutil.copytree(exported, folder)
    change(folder)
    assert execute(["translate", str(folder), "x", "--backend", "onnx"]) == 2
    written = capfd.readouterr()
    assert message in written.err
    assert written.err.startswith("error: ")
    assert written.err.count("\n") == 1


def test_refusals(
    model: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given = tiny(tmp_path / "given", visual="given", vision_maps=maps_to_json([MapSpec("top", 4, 1, 1, "model")]))
    onnx = ["translate", str(exported), "x", "--backend", "onnx"]
    cases = [
        (
            ["export", str(given), "--out", str(tmp_path / "a")],
            "reads pictures (visual='given'); it cannot be exported",
        ),
        (["export", str(model), "--out", str(exported)], "is there already and is not empty"),
        (["export", str(model), "--out", str(tmp_path / "no" / "where")], "no such folder"),
        (["export", str(tmp_path), "--out", str(tmp_path / "a")], "no file 'config.json' in it"),
        ([*onnx, "--device", "cuda"], "--device: got 'cuda', but --backend onnx runs on the CPU"),
        (["translate", str(model), "x", "--backend", "onnx"], "no file 'encoder.onnx' in it"),
        (["translate", str(exported), "x"], "no file 'model.safetensors' in it"),
    ]
    find_spec = importlib.util.find_spec
    for arguments, message in cases:
        assert execute(arguments) == 2
        written = capfd.readouterr().err
        assert message in written
        assert written.count("\n") == 1
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find_spec(name))
    for arguments in (onnx, ["export", str(model), "--out", str(tmp_path / "a")]):
        assert execute(arguments) == 2
        assert capfd.readouterr().err == "error: onnxruntime is not installed: pip install 'limbeck[onnx]'\n"
