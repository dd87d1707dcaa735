"""`limbeck run ikd-mmt` from end to end, with models of a few thousand parameters."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from limbeck.cli.app import execute
from limbeck.evaluation.ambiguity import AmbiguityAccuracy
from limbeck.systems.findings import Findings
from tests.cli.toys import limbeck
from tests.real_data import REAL_DATA, needs

RECIPE = {
    "vocab_size": 300,
    "d_model": 16,
    "layers": 1,
    "heads": 2,
    "ffn_dim": 16,
    "dropout": 0.1,
    "batch_tokens": 256,
    "inverted_pictures": 2,
    "visual_grid": 1,
    "beams": 1,
    "plan": {"lr": 0.01, "warmup": 2, "max_steps": 20, "validate_every": 5, "save_every": 4},
}
ARMS = ("text-only", "image-must", "ikd", "image-wrong")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a recipe, and a cache that no one else has; processes that are started inherit it."""
    folder = tmp_path_factory.mktemp("ikd-mmt")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMBECK_CACHE", str(folder / "cache"))
        yield folder


def command(workplace: Path, name: str, *more: object) -> list[str]:
    fixed = ["run", "ikd-mmt", "--scale", "smoke", "--device", "cpu", "--recipe", workplace / "recipe.yaml"]
    return [*map(str, fixed), "--out", str(workplace / name), *map(str, more)]


def run(workplace: Path, name: str, *more: object) -> Path:
    done = limbeck(*command(workplace, name, "--arms", "text-only,ikd,image-wrong", *more))
    assert done.returncode == 0, done.stderr
    return workplace / name


@pytest.fixture(scope="module")
def side_by_side(workplace: Path) -> Path:
    return run(workplace, "two", "--workers", 2)


@pytest.fixture(scope="module")
def one_by_one(workplace: Path) -> Path:
    return run(workplace, "one", "--workers", 1)


def numbers(folder: Path) -> dict[str, Any]:
    """What `metrics.json` says; arms stand in the order in which they were done."""
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return {**found, "arms": {arm["name"]: arm for arm in found["arms"]}}


def hypotheses(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/seed-1/hypotheses/*"))}


def test_what_a_run_leaves(side_by_side: Path) -> None:
    for name in ("config.yaml", "metrics.json", "results.md", "plots/claims.png", "plots/training.png"):
        assert (side_by_side / name).is_file(), name
    found = Findings.load(side_by_side)
    assert set(found.arms) == set(ARMS)
    budgets = [found.budget(arm) for arm in ARMS]
    assert {budget["steps"] for budget in budgets} == {20}
    assert len({budget["translator_parameters"] for budget in budgets}) == 1
    assert not found.unequal_budgets().keys() & {"steps", "translator_parameters"}
    assert isinstance(found.metrics["ambiguous words"], AmbiguityAccuracy)
    written = hypotheses(side_by_side)
    assert len(written) == 2 * len(ARMS)
    assert all(text.count(b"\n") == 50 and text.endswith(b"\n") for text in written.values())
    card = (side_by_side / "ikd" / "seed-1" / "model" / "README.md").read_text()
    assert "captions of Limbeck's invented world, seed 0" in card
    assert "| test | BLEU |" in card


def test_no_arm_is_trained_twice(workplace: Path, side_by_side: Path) -> None:
    kept = {path: path.stat().st_mtime_ns for path in side_by_side.glob("*/seed-1/*")}
    before = numbers(side_by_side)
    run(workplace, "two", "--workers", 2, "--resume")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert numbers(side_by_side) == before


def test_workers_do_not_matter(side_by_side: Path, one_by_one: Path) -> None:
    assert hypotheses(side_by_side) == hypotheses(one_by_one)


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(workplace: Path, one_by_one: Path) -> None:
    more = ("--arms", "ikd", "--workers", 1)
    code = "from limbeck.cli.app import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, *command(workplace, "killed", *more)])
    arm = workplace / "killed" / "ikd" / "seed-1"
    until = time.monotonic() + 100
    while not (arm / "checkpoints" / "latest.json").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (arm / "model.safetensors").exists()
    logged = (arm / "log.jsonl").read_bytes()
    done = limbeck(*command(workplace, "killed", *more, "--resume"))
    assert done.returncode == 0, done.stderr
    assert (arm / "log.jsonl").read_bytes()[:20] == logged[:20]
    whole = one_by_one / "ikd" / "seed-1"
    for name in ("model.safetensors", "hypotheses/test.txt", "hypotheses/ambiguous.txt"):
        assert (arm / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_job_without_a_checkpoint_starts_afresh(workplace: Path, one_by_one: Path) -> None:
    shutil.copytree(one_by_one, workplace / "bare")
    arm = workplace / "bare" / "text-only" / "seed-1"
    for name in ("checkpoints", "model", "hypotheses"):
        shutil.rmtree(arm / name)
    (arm / "done.json").unlink()
    run(workplace, "bare", "--workers", 1, "--resume")
    whole = one_by_one / "text-only" / "seed-1"
    for name in ("model.safetensors", "hypotheses/test.txt"):
        assert (arm / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--pair", "de-en"], "pair: got 'de-en'"),
        (["--arms", "text-only,ikdd"], "arms: got 'ikdd', possible: text-only"),
        (["--data-dir", "."], "--data-dir is for real data"),
        (["--data", "multi30k"], "--data multi30k needs --data-dir"),
        (["--data", "multi30k", "--data-dir", "."], "no labels at "),
        (["--data", "multi30k", "--data-dir", ".", "--vision", "photos"], "no photos at "),
        (["--data", "multi30k", "--data-dir", ".", "--features", "HERE"], "no folder 'tok' in it"),
        (["--data", "multi30k", "--data-dir", ".", "--features", "HERE", "--pair", "en-xx"], "pair: got 'en-xx'"),
        (["--recipe", "HERE"], "recipe.yaml"),
        (["--workers", "0"], "workers: got 0"),
    ],
)
def test_mistakes(
    workplace: Path, tmp_path: Path, more: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "recipe.yaml"
    here.write_text("d_model: 16\n")
    line = command(workplace, str(tmp_path / "run"))
    if "--recipe" in more:
        line.remove("--recipe")
        line.remove(str(workplace / "recipe.yaml"))
    assert execute([*line, *(str(here) if word == "HERE" else word for word in more)]) == 2
    *said, last = capfd.readouterr().err.strip().split("\n")
    assert last.startswith("error: ")
    assert message in last
    assert all(row.startswith("[") for row in said)


@pytest.mark.slow
@pytest.mark.data
@needs("multi30k")
@needs("multi30k_features")
def test_real_captions(workplace: Path) -> None:
    more = ("--data", "multi30k", "--data-dir", REAL_DATA / "multi30k", "--steps", 5, "--workers", 2)
    done = limbeck(*command(workplace, "real", *more))
    assert done.returncode == 0, done.stderr
    found = Findings.load(workplace / "real")
    assert set(found.arms) == {"text-only", "ikd"}
    assert found.budget("ikd")["steps"] == 5
    lines = (workplace / "real" / "ikd" / "seed-1" / "hypotheses" / "test_2016_flickr.txt").read_text().split("\n")
    assert len(lines) == 201
    assert any("labels" in note for note in found.notes)
