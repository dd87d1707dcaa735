"""`limbeck translate`: the same sentences as the translator's, from anywhere to anywhere, and what it refuses."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from limbeck.cli.app import execute
from limbeck.data.moses import MosesText
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.ikd_mmt.search import SearchOptions
from limbeck.models.ikd_mmt.tokenization import train_tokenizer
from limbeck.models.ikd_mmt.translator import Translator
from limbeck.models.vision.maps import MapSpec, maps_to_json

TEXT = ["a man &apos;s dog runs .", "ein hund läuft , und eine katze schläft .", "two dogs", "A man's dog runs."]
LINES = [TEXT[index % 4][index % 3 :] if index % 5 else "" for index in range(23)]
CODE = "import sys; from limbeck.cli.app import main; main()"


def tiny(folder: Path, **config: object) -> Path:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(TEXT * 3, 80)
    sizes = {"d_model": 16, "num_heads": 2, "ffn_dim": 16, "encoder_layers": 1, "decoder_layers": 1}
    model = IKDMMTForTranslation(IKDMMTConfig(vocab_size=len(tokenizer), **sizes, **config))  # type: ignore[arg-type]
    Translator(model, tokenizer).save(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("model"))


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (read by the command)
    file.write(content)
    file.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))


def translations(model: Path, lines: list[str], **options: object) -> list[str]:
    """One by one, so that a line that is mixed up with another would be seen."""
    translator = Translator.load(model, SearchOptions(**options))  # type: ignore[arg-type]
    return [translator.translate([line])[0] for line in lines]


@pytest.mark.parametrize("source", ["arguments", "file", "gzip", "pipe", "dash"])
def test_every_source_gives_the_same(
    model: Path, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    import gzip

    content = "".join(f"{line}\n" for line in LINES).encode()
    name = {"file": "in.txt", "gzip": "in.txt.gz"}.get(source)
    arguments: list[str] = LINES if source == "arguments" else []
    if name is not None:
        (tmp_path / name).write_bytes(gzip.compress(content) if source == "gzip" else content)
        arguments = ["--input", str(tmp_path / name)]
    elif source in ("pipe", "dash"):
        piped(monkeypatch, content)
        arguments = ["--input", "-"] if source == "dash" else []
    assert execute(["translate", str(model), *arguments, "--batch-tokens", "40"]) == 0
    captured = capfdbinary.readouterr()
    expected = translations(model, LINES)
    assert captured.out.decode().split("\n")[:-1] == expected
    assert captured.err == b""
    assert [not line for line in expected] == [not line for line in LINES]


def test_output_file(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.txt"
    assert execute(["translate", str(model), *LINES[:4], "--output", str(out), "--beam", "1", "--threads", "1"]) == 0
    assert out.read_text(encoding="utf-8").split("\n")[:-1] == translations(model, LINES[:4], beams=1)
    assert capsys.readouterr().out == ""


def test_only_line_feeds_end_a_line(
    model: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    piped(monkeypatch, "\ufeffa man\r\n\u2028dog\x0bruns\x85.\n \t\ndogs".encode())
    assert execute(["translate", str(model)]) == 0
    expected = translations(model, ["a man", "\u2028dog\x0bruns\x85.", "", "dogs"])
    assert capfdbinary.readouterr().out.decode().split("\n")[:-1] == expected
    assert execute(["translate", str(model), "a man\n\ndogs"]) == 0
    assert capfdbinary.readouterr().out.decode().split("\n")[:-1] == translations(model, ["a man", "", "dogs"])


def test_n_best_and_scores(model: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sentences = ["two dogs", "", "a man"]
    found = Translator.load(model, SearchOptions(beams=4, length_penalty=0.5))
    arguments = ["translate", str(model), *sentences, "--beam", "4", "--length-penalty", "0.5"]
    assert execute([*arguments, "--n-best", "3", "--scores"]) == 0
    rows = [line.split("\t") for line in capfdbinary.readouterr().out.decode().split("\n")[:-1]]
    assert [row[0] for row in rows] == ["1"] * 3 + ["2"] + ["3"] * 3
    expected = found.search(["two dogs"])[0][:3]
    assert [row[2] for row in rows[:3]] == [found.text(hypothesis) for hypothesis in expected]
    assert [float(row[1]) for row in rows[:3]] == pytest.approx([hypothesis.score for hypothesis in expected], abs=1e-4)
    assert rows[3] == ["2", ""]
    assert execute([*arguments, "--scores"]) == 0
    lines = capfdbinary.readouterr().out.decode().split("\n")[:-1]
    assert lines == ["\t".join(rows[0][1:]), "", "\t".join(rows[4][1:])]


def test_tokenised_text(model: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / "limbeck.json").write_text('{"text": "tok", "source": "en", "target": "de"}')
    (as_written,) = translations(model, [TEXT[0]])
    assert execute(["translate", str(folder), TEXT[0], "--tokenized"]) == 0
    assert capfdbinary.readouterr().out.decode() == as_written + "\n"
    assert execute(["translate", str(folder), "A man's dog runs.", ""]) == 0
    assert capfdbinary.readouterr().out.decode() == MosesText("en", "de").detokenize(as_written) + "\n\n"
    (folder / "limbeck.json").write_text('{"text": "plain", "source": "en", "target": "de"}')
    assert execute(["translate", str(folder), TEXT[3]]) == 0
    assert capfdbinary.readouterr().out.decode().split("\n")[:-1] == translations(model, [TEXT[3]])
    for content in ("[1", "[]", '{"text": "tok"}'):
        (folder / "limbeck.json").write_text(content)
        assert execute(["translate", str(folder), "x"]) == 2
        assert capfdbinary.readouterr().err.decode().startswith(f"error: {folder / 'limbeck.json'}: expected text")


def test_broken_text_stops_after_what_was_whole(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    piped(monkeypatch, b"two dogs\na man\nsch\xf6n\nrun\n")
    assert execute(["translate", str(model)]) == 2
    written = capfdbinary.readouterr()
    assert written.out.decode().split("\n")[:-1] == translations(model, ["two dogs", "a man"])
    assert written.err == b"error: standard input, line 3: not UTF-8 (byte 4)\n"
    assert execute(["translate", str(model), "two dogs", os.fsdecode(b"sch\xf6n")]) == 2
    assert capfdbinary.readouterr().err == b"error: arguments, line 2: not UTF-8 (byte 4)\n"


def test_long_sentences_are_cut_with_a_warning(
    model: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from limbeck.cli import translate

    monkeypatch.setattr(translate, "WINDOW", 2)
    assert execute(["translate", str(model), "dog", "a", "man", " ".join("dogs" for _ in range(800)), "--beam=1"]) == 0
    captured = capfdbinary.readouterr()
    assert captured.err.decode().startswith("warning: sentence 4: ")
    assert captured.err.decode().endswith("tokens, cut to 512\n")
    assert captured.out.count(b"\n") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--input", "in.txt"], "not both"),
        (["x", "--n-best", "6"], "--n-best: got 6, more than the 5 hypotheses of --beam"),
        (["x", "--length-penalty", "nan"], "--length-penalty"),
        (["x", "--beam", "0"], "--beam"),
        (["x", "--device", "abacus"], "device 'abacus'"),
        (["x", "--output", "no/where.txt"], "--output: cannot write no/where.txt: No such file"),
        (["--input", "nothing.txt"], "no such file: nothing.txt"),
        (["--input", "in.txt", "--output", "./in.txt"], "in.txt is the input"),
        (["--input", "."], "cannot read .: Is a directory"),
    ],
)
def test_mistakes(
    model: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("two dogs\n")
    assert execute(["translate", str(model), *arguments]) == 2
    written = capsys.readouterr()
    assert message in written.err
    assert written.out == ""
    assert Path("in.txt").read_text() == "two dogs\n"


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:90])


def configured(**values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | values))

    return change


def lacking(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("decoder.norm.bias")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def other_tokenizer(folder: Path) -> None:
    train_tokenizer(["many more words than there were"] * 3, 50).save_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shutil.rmtree, "no such folder"),
        (without("config.json"), "no file 'config.json' in it"),
        (without("model.safetensors"), "no file 'model.safetensors' in it"),
        (without("tokenizer.json"), "no file 'tokenizer.json' in it"),
        (cut("config.json"), "not a model that can be loaded"),
        (cut("model.safetensors"), "not a model that can be loaded"),
        (cut("tokenizer.json"), "not a model that can be loaded"),
        (configured(kv="sideways"), "kv must be one of previous, input, got 'sideways'"),
        (configured(model_type="bert"), "a model of type 'bert'"),
        (configured(encoder_layers=2), "missing keys: encoder.layers.1."),
        (configured(decoder_layers=0), "unexpected keys: decoder.layers.0."),
        (configured(d_model=32), "mismatched keys: "),
        (lacking, "missing keys: decoder.norm.bias"),
        (other_tokenizer, "the tokenizer has"),
    ],
)
def test_what_is_no_model(
    model: Path, tmp_path: Path, change: Callable[[Path], object], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    change(folder)
    assert execute(["translate", str(folder), "x"]) == 2
    written = capfd.readouterr()
    assert message in written.err
    assert written.err.startswith("error: ")
    assert written.err.count("\n") == 1


def test_a_model_that_needs_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny(tmp_path / "model", visual="given", vision_maps=maps_to_json([MapSpec("top", 4, 1, 1, "model")]))
    capsys.readouterr()
    assert execute(["translate", str(folder), "x"]) == 2
    assert "this model reads pictures (visual='given'); it cannot translate text alone" in capsys.readouterr().err


def start(model: Path, *arguments: str, **streams: int) -> subprocess.Popen[bytes]:
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    command = [sys.executable, "-c", CODE, "translate", str(model), "--beam=1", "--threads=1", *arguments]
    return subprocess.Popen(command, **piped)  # type: ignore[call-overload]


def test_answers_come_while_the_pipe_is_open_and_an_interrupt_is_quiet(model: Path) -> None:
    process = start(model)
    assert process.stdin is not None
    assert process.stdout is not None
    answers = set()
    for count in (2500, 1, 3):
        process.stdin.write(b"two dogs\n" * count)
        process.stdin.flush()
        answers |= {process.stdout.readline() for _ in range(count)}
    assert len(answers) == 1
    process.send_signal(signal.SIGINT)
    assert process.communicate() == (b"", b"")
    assert process.returncode == 130


def test_a_reader_that_has_gone_is_no_error(model: Path) -> None:
    process = start(model)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"two dogs\n")
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"two dogs\n" * 4000)
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


def test_on_a_terminal(model: Path, tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    hint = start(model, stdin=terminal)
    (tmp_path / "in.txt").write_text("two dogs\n" * 30)
    bar = start(model, "--input", str(tmp_path / "in.txt"), stderr=terminal)
    assert b"nothing to translate" in hint.communicate()[1]
    assert hint.returncode == 2
    out, _ = bar.communicate()
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:  # how Linux tells that the other end is closed
        os.close(master)
    assert b"30/30" in shown
    assert b"sentences/s" in shown
    assert (bar.returncode, out.count(b"\n")) == (0, 30)
