"""A disk that fills up costs what was not written yet, and nothing else."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_translate import CODE

PAIRS = {"en": ["a red dog runs", "two cats sleep"] * 4, "de": ["ein roter hund rennt", "zwei katzen schlafen"] * 4}
TINY = ("recipe.d_model=16", "recipe.layers=1", "recipe.ffn_dim=16", "recipe.heads=2", "recipe.vocab_size=60")


def full_at(size: int) -> Callable[[], None]:
    """No file can grow beyond so many bytes: writing fails there, as it does on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def train(out: Path, config: Path, *more: str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, "train", str(config), *TINY, "--out", str(out), "--device=cpu", *more]
    before = None if limit is None else full_at(limit)
    return subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=before)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    for language, lines in PAIRS.items():
        (folder / language).write_text("".join(f"{line}\n" for line in lines))
    text = "{source: en, target: de}"
    plan = "{epochs: 4, warmup: 2, save_every: 1}"
    (folder / "config.yaml").write_text(
        f"pair: en-de\narm: text-only\ntrain: {text}\nval: {text}\nrecipe: {{plan: {plan}, batch_tokens: 32}}\n"
    )
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def weights(config: Path) -> bytes:
    out = config.parent / "undisturbed"
    done = train(out, config)
    assert done.returncode == 0, done.stderr
    return (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize("limit", [100, 4_000, 30_000])
def test_training_goes_on_when_there_is_room_again(config: Path, weights: bytes, tmp_path: Path, limit: int) -> None:
    """The disk is full at the configuration, at the log or the vocabulary, or at a checkpoint."""
    full = train(tmp_path / "run", config, limit=limit)
    assert full.returncode == 1, full.stderr
    (told,) = [line for line in full.stderr.splitlines() if line.startswith("error: ")]
    assert "File too large" in told
    assert "Traceback" not in full.stderr
    again = train(tmp_path / "run", config, "--resume")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights
