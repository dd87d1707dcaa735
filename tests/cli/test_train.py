"""`limbeck train` on small files of one's own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import yaml
from PIL import Image
from transformers import ResNetBackbone, ResNetConfig

from limbeck.cli.app import execute
from tests.cli.toys import limbeck

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own-captions" / "text-only.yaml"
TINY = ("recipe.d_model=16", "recipe.layers=1", "recipe.ffn_dim=16", "recipe.heads=2", "recipe.beams=2")
SHORT = (*TINY, "recipe.plan.max_steps=6", "recipe.plan.epochs=null", "recipe.plan.warmup=2")
ENGLISH = ["a red dog runs", "two dogs sleep", "a blue cat runs", "two red cats sleep"] * 2
GERMAN = ["ein roter hund rennt", "zwei hunde schlafen", "eine blaue katze rennt", "zwei rote katzen schlafen"] * 2


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))


def write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def project(folder: Path) -> Path:
    """Text, four pictures, a backbone with two stages, and a configuration."""
    for split in ("train", "val", "test"):
        write(folder / f"{split}.en", ENGLISH)
        write(folder / f"{split}.de", GERMAN)
    photos = folder / "photos"
    photos.mkdir()
    for number, kind in enumerate(("png", "jpg", "gif", "bmp")):
        picture = Image.linear_gradient("L").resize((40, 30)).rotate(90 * number)
        Image.merge("RGB", [picture, picture.point(lambda v: 255 - v), picture]).save(photos / f"{number}.{kind}")
    names = ["0.png", "1.jpg", "", "2.gif", "3.bmp", "0.png", " ", "1.jpg"]
    write(folder / "train.pictures", [f"photos/{name}" if name.strip() else name for name in names])
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    ResNetBackbone(config).save_pretrained(folder / "network")
    values = {
        "pair": "en-de",
        "arm": "ikd",
        "train": {"source": "train.en", "target": "train.de", "pictures": "train.pictures"},
        "val": {"source": "val.en", "target": "val.de"},
        "tests": {"small": {"source": "test.en", "target": "test.de"}},
        "vision": {"network": "network", "size": 32},
        "recipe": {"vocab_size": 100, "batch_tokens": 64},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    return folder / "config.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return project(tmp_path / "project")


def test_from_files_to_a_translator(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = limbeck("train", config, *SHORT, "seed=3", "--out", out, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "computing the maps of 4 pictures" in done.stderr
    metrics = json.loads((out / "metrics.json").read_text())["tests"]["small"]
    assert metrics["segments"] == 8
    assert set(metrics["metrics"]) == {"BLEU", "chrF", "TER", "METEOR-exact-stem"}
    for name, one in metrics["metrics"].items():
        assert one["low"] <= one["value"] <= one["high"]
        assert f"{name}: {one['signature']}" in done.stdout
    hypotheses = (out / "hypotheses" / "small.txt").read_text().split("\n")[:-1]
    assert len(hypotheses) == 8

    asked = yaml.safe_load((out / "config.yaml").read_text())
    assert (asked["seed"], asked["recipe"]["d_model"], asked["recipe"]["plan"]["max_steps"]) == (3, 16, 6)
    assert asked["environment"]["torch"]
    card = (out / "model" / "README.md").read_text()
    for part in ("# IKD-MMT, en to de", "KD-1 and KD-2", "2210.04468", "train.pictures", "| small | BLEU |", "d_model"):
        assert part in card
    assert "environment" not in card

    told = limbeck("translate", out / "model", *ENGLISH, "--beam", 2)
    assert (told.returncode, told.stdout.split("\n")[:-1]) == (0, hypotheses), told.stderr

    again = tmp_path / "again"
    repeated = limbeck("train", out / "config.yaml", "--out", again, "--device", "cpu")
    assert repeated.returncode == 0, repeated.stderr
    assert "computing the maps" not in repeated.stderr
    assert (again / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


def test_a_folder_holds_one_training(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", str(config), "arm=text-only", *SHORT, "--out", str(tmp_path / "run")]
    assert execute(line) == 0
    first = capsys.readouterr().out
    assert execute(line) == 2
    assert "is not empty" in capsys.readouterr().err
    before = (tmp_path / "run" / "done.json").stat().st_mtime_ns
    assert execute([*line, "--resume", "recipe.plan.log_every=1"]) == 0
    written = capsys.readouterr()
    assert (written.out, written.err) == (first, "")
    assert (tmp_path / "run" / "done.json").stat().st_mtime_ns == before
    assert execute([*line, "--resume", "recipe.plan.lr=0.5"]) == 2
    assert "holds a run with recipe.plan.lr 0.002; it cannot go on with 0.5" in capsys.readouterr().err


def test_a_folder_without_a_checkpoint_starts_afresh(config: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    line = ["train", str(config), "arm=text-only", *SHORT, "--out", str(tmp_path / "run"), "--resume"]
    assert execute(line) == 0
    (tmp_path / "run" / "done.json").unlink()
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.rename(tmp_path / path.name)
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    assert execute(line) == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


def test_gzipped_text_without_tests(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("en", "de"):
        (config.parent / f"train.{side}.gz").write_bytes(gzip.compress((config.parent / f"train.{side}").read_bytes()))
    changes = ["train.source=train.en.gz", "train.target=train.de.gz", "tests={}", "arm=imagination"]
    assert execute(["train", str(config), *SHORT, *changes, "--out", str(tmp_path / "run")]) == 0
    assert len((tmp_path / "run" / "hypotheses" / "val.txt").read_text().split("\n")) == 9
    assert "Imagination improves" in (tmp_path / "run" / "model" / "README.md").read_text()


def test_dry_run(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["train", str(config), *SHORT, "recipe.plan.warmup=9", "--dry-run"]) == 0
    written = capsys.readouterr()
    rows = {tuple(line.split()[:2]): line.split() for line in written.out.splitlines() if line.strip()}
    assert rows["train", "8"][-1] == "6"
    assert rows["small", "8"][-1] == "0"
    assert rows["steps", "6"]
    translator, generator, model = (
        int(line.split()[-1].replace(",", ""))
        for line in written.out.splitlines()
        if line.strip().startswith("parameters")
    )
    # At inference only the generator's top is used.
    assert 0 < translator < model < translator + generator
    assert "warning: the warm-up (9 steps) is as long as the training (6)" in written.err
    assert not (tmp_path / "cache").exists()


def test_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", str(EXAMPLE), *SHORT, "--out", str(tmp_path / "run")]
    assert execute(line) == 0
    assert "test" in capsys.readouterr().out
    assert len((tmp_path / "run" / "hypotheses" / "test.txt").read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["pair=en"], "config.yaml: TranslatorConfig.pair: got 'en', expected two different language codes"),
        (["pair=en-en"], "expected two different language codes"),
        (["arm=ikdd"], "TranslatorConfig.arm: got 'ikdd', did you mean 'ikd'"),
        (["arm=image-wrong"], "TranslatorConfig.arm: got 'image-wrong'"),
        (["amr=ikd"], "TranslatorConfig: unknown key 'amr'; did you mean 'arm'?"),
        (["train.sorce=x"], "ParallelFiles: unknown key 'sorce'; did you mean 'source'?"),
        (["recipe.plan.lrr=1"], "config.yaml: Plan: unknown key 'lrr'; did you mean 'lr'?"),
        (["recipe.plan.lr=fast"], "Plan.lr: got 'fast'"),
        (["recipe.plan=3"], "plan"),
        (["recipe.plan.max_steps=many"], "Plan.max_steps: got 'many'"),
        (["pair.x=1"], "pair.x: 'pair' is 'en-de', which has no keys"),
        (["pair=[1"], "pair: '[1' is no YAML"),
        (["pair"], "'pair' is not expected here: changes are written key=value"),
        (["val=null"], "TranslatorConfig.val: got None"),
        (["tests={'a/b': {source: a, target: b}}"], "a test's name becomes a file's"),
        (["train.pictures=null"], "the arm 'ikd' learns from pictures: give train.pictures, or take arm: text-only"),
        (["train.source=gone.en"], "source: no such file: "),
        (["vision.network=nowhere/at/all"], "vision network 'nowhere/at/all'"),
        (["recipe.vocab_size=4"], "vocab_size must be more than"),
        (["recipe.d_model=15"], "d_model must be even"),
        (["recipe.batch_tokens=2"], "raise max_tokens"),
    ],
)
def test_mistakes(config: Path, changes: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["train", str(config), *TINY, *changes, "--dry-run"]) == 2
    written = capsys.readouterr()
    assert message in written.err
    assert written.err.startswith("error: ")
    assert written.err.count("\n") == 1
    assert written.out == ""


def broken(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.de", b"eins\n", "train.en has 8 lines but"),
        ("val.en", b"a\n" * 3 + b" \n" + b"a\n" * 4, "val.en, line 4: the sentence is empty"),
        ("train.pictures", b"photos/0.png\n", "train.pictures has 1 lines but"),
        ("train.pictures", b"\n" * 7 + b"photos/7.png\n", "train.pictures, line 8: no such picture: "),
        ("photos/1.jpg", b"", "train.pictures, line 2: "),
        ("photos/1.jpg", b"a text\n", "train.pictures, line 2: "),
        ("config.yaml", b"pair: [en\n", "config.yaml: "),
        ("config.yaml", b"- en\n", "config.yaml: got list, expected a mapping"),
        ("config.yaml", b"pair: en-de\ntrain: {source: a, target: b}\n", "'val' is missing"),
    ],
)
def test_broken_files(
    config: Path, tmp_path: Path, name: str, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken(config.parent, name, content)
    assert execute(["train", str(config), *(TINY if "config" not in name else ()), "--out", str(tmp_path / "run")]) == 2
    last = capsys.readouterr().err.strip().split("\n")[-1]
    assert last.startswith("error: ")
    assert message in last


def test_a_truncated_picture(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = config.parent / "photos" / "3.bmp"
    picture.write_bytes(picture.read_bytes()[:900])
    assert execute(["train", str(config), *TINY, "--out", str(tmp_path / "run")]) == 2
    assert f"train.pictures, line 5: {picture} is no whole picture" in capsys.readouterr().err


def test_out_is_needed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["train", str(config)]) == 2
    assert "--out is missing" in capsys.readouterr().err
