"""`limbeck demo`: the page in a browser, what it refuses, and what it says of models that have nothing to show."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from limbeck.cli.app import execute
from limbeck.demo.origin import NothingToCompareError, Origin
from limbeck.demo.page import MOST_CHARACTERS, MOST_TOKENS, Demo, Part, figures
from limbeck.demo.pictures import KeptTeachers, Match, NearestPictures, nearest_pictures
from limbeck.demo.words import mark_changes
from limbeck.errors import LimbeckError
from limbeck.models.ikd_mmt.search import SearchOptions
from limbeck.models.vision.maps import MapSpec, maps_to_json
from limbeck.systems.lab import Lab
from limbeck.systems.translation.corpus import Corpus, WorldCorpus
from limbeck.systems.translation.corpus import Part as Split
from limbeck.systems.translation.pictures import Pictures
from limbeck.systems.translation.sentences import SentenceTranslator
from tests.cli.browser import Page, chromium
from tests.cli.test_translate import tiny

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CODE = "from limbeck.cli.app import main; main()"
CAPTIONS = ["two dogs", "a man", "a man's dog runs ."]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("one") / "model")


@pytest.fixture(scope="module")
def other(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with other weights, which says other things."""
    folder = tmp_path_factory.mktemp("two") / "model"
    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(1)
    changed = {name: value + 0.5 * torch.randn_like(value) for name, value in weights.items()}
    save_file(changed, folder / "model.safetensors", {"format": "pt"})
    return folder


def demo_of(model: Path, against: Path | None = None) -> Demo:
    options = SearchOptions(beams=4)
    beside = None if against is None else Part("other", SentenceTranslator.load(against, options))
    return Demo(Part("one", SentenceTranslator.load(model, options)), beside, "No pictures.", most=3)


def test_changed_words() -> None:
    one, other = mark_changes("ein roter Kran steht", "ein Kranich steht hier")
    assert one == [("ein", None), (" ", None), ("roter Kran", "changed"), (" ", None), ("steht", None)]
    assert [text for text, mark in other if mark] == ["Kranich", "hier"]
    assert "".join(text for text, _ in other) == "ein Kranich steht hier"
    assert mark_changes("", "a") == ([], [("a", "changed")])


def test_what_is_shown_is_what_the_translator_says(model: Path, other: Path) -> None:
    demo = demo_of(model, other)
    shown = demo.show(" two\n dogs ")
    expected = demo.model.sentences.search(["two dogs"], most=3)[0]
    assert list(shown.alternatives) == expected
    assert len(expected) == 3
    own, beside = mark_changes(expected[0].text, SentenceTranslator.load(other).search(["two dogs"])[0][0].text)
    assert (shown.message, shown.own, shown.other, shown.pictures) == ("", own, beside, "")


def test_what_is_too_long_is_not_translated(model: Path) -> None:
    demo = demo_of(model)
    for text in ("", " \n", None):
        assert dataclasses.astuple(demo.show(text)) == ("Type a caption first.", None, None, (), "")
    assert demo.show("a " * (MOST_CHARACTERS // 2)).message.startswith("The caption has 251 tokens; at most")
    assert demo.show("a" * (MOST_CHARACTERS + 1)).message.startswith("The caption has 501 characters; at most 500")
    assert MOST_TOKENS < 251


def test_captions_are_no_markup() -> None:
    picture = np.full((2, 2, 3), 7, np.uint8)
    page = figures([Match("<script>a & 'b'</script>", 0.5, picture), Match("c", 0.25, None)])
    assert "<script" not in page
    assert "0.50 &lt;script&gt;a &amp; &#x27;b&#x27;&lt;/script&gt;" in page
    assert page.count('src="data:image/png;base64,') == 1


TOP = MapSpec("top", 6, 2, 2, "model")


def generating(folder: Path) -> SentenceTranslator:
    return SentenceTranslator.load(tiny(folder, visual="generated", vision_maps=maps_to_json([TOP])))


def corpus_of(captions: list[str]) -> Corpus:
    split = Split(captions, captions, list(range(len(captions))))
    return Corpus("en-de", split, split, {"test": split})


def test_nearest_is_the_picture_that_the_model_generates(tmp_path: Path) -> None:
    sentences = generating(tmp_path / "model")
    with torch.no_grad():
        encoder = sentences.translator.model.encoder
        tops = torch.cat([encoder(torch.tensor([sentences.ids(caption)])).top_map for caption in CAPTIONS])
    seen = Pictures((TOP,), None, {"top": (tops * 1.5).half()}, {number: number for number in range(3)})
    nearest = NearestPictures(sentences, seen, corpus_of(CAPTIONS), lambda number: None)
    assert nearest.explained == pytest.approx(1 - (0.5 / 1.5) ** 2, abs=1e-2)
    for caption in CAPTIONS:
        matches = nearest.of(caption, 2)
        assert matches[0].caption == caption
        assert matches[0].cosine == pytest.approx(1, abs=1e-3)
        assert matches[1].cosine < matches[0].cosine
    # Another network's maps: as many channels, which mean something else.
    strange = Pictures((TOP,), None, {"top": -tops.half()}, seen.rows)
    with pytest.raises(NothingToCompareError, match="another vision network taught it"):
        NearestPictures(sentences, strange, corpus_of(CAPTIONS), lambda number: None)


def test_why_there_are_no_pictures(model: Path, tmp_path: Path) -> None:
    lab = KeptTeachers(cache=tmp_path / "cache", quiet=True)
    with pytest.raises(NothingToCompareError, match="has no generator"):
        nearest_pictures(model, SentenceTranslator.load(model), None, lab)
    alone = generating(tmp_path / "alone" / "model")
    with pytest.raises(NothingToCompareError, match="not lie in the folder of its training"):
        nearest_pictures(tmp_path / "alone" / "model", alone, None, lab)
    run = tmp_path / "run"
    for arm in ("ikd", "ikd-without-kd1"):
        shutil.copytree(tmp_path / "alone" / "model", run / arm / "seed-1" / "model")
    folder = run / "ikd" / "seed-1" / "model"
    (run / "recipe.json").write_text('{"plan": {"max_steps": 1, "lr": 0.1}}')
    (run / "config.yaml").write_text("{system: ikd-mmt, scale: smoke, options: {data: world, pair: en-de}}")
    with pytest.raises(NothingToCompareError, match="The vision network that taught the model is not"):
        nearest_pictures(folder, alone, None, lab)
    with pytest.raises(NothingToCompareError, match="without KD-1"):
        nearest_pictures(run / "ikd-without-kd1" / "seed-1" / "model", alone, None, lab)
    material = Origin.read(folder, Lab(), None).material
    assert isinstance(material.corpus, WorldCorpus)
    assert material.corpus.sentences == 200
    with pytest.raises(LimbeckError, match="--pictures: the model learnt from the world"):
        nearest_pictures(folder, alone, Path("x.npz"), lab)
    (run / "config.yaml").write_text("{system: ikd-mmt, scale: smoke, options: {data: multi30k, data_dir: nowhere}}")
    with pytest.raises(NothingToCompareError, match="without --pictures, the file of the labels"):
        nearest_pictures(folder, alone, None, lab)


def demo(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "limbeck", "demo", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def server(model: Path, other: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A page in its own process, which must end well when it is interrupted while a browser looks at it."""
    pytest.importorskip("gradio", reason="needs Gradio: pip install 'limbeck[demo]'")
    process = demo(model, "--against", other, "--port", "0", "--beam", "4", "--nbest", "3")
    assert process.stdout is not None
    line = process.stdout.readline()
    address = re.match(r"http://127\.0\.0\.1:\d+", line)
    assert address, process.communicate(timeout=60)
    yield address.group(), process
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")


def status(url: str, data: bytes | None = None, method: str | None = None) -> int:
    request = urllib.request.Request(url, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        return error.code


def test_nothing_but_the_page_is_served(server: tuple[str, Any], model: Path) -> None:
    address, _ = server
    assert status(address) == 200
    refused = ["file=/etc/passwd", "gradio_api/file=/etc/passwd", f"gradio_api/file={model}/config.json"]
    refused += ["file/etc/passwd", "gradio_api/file/etc/passwd", "gradio_api/proxy=http://127.0.0.1/", "docs"]
    refused += [
        "gradio_api/openapi.json",
        "gradio_api/upload",
        "gradio_api/run/answer",
        "gradio_api/runs",
        "monitoring",
    ]
    refused += ["static/../../../../../../etc/passwd", "assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd"]
    for path in refused:
        assert status(f"{address}/{path}") in (403, 404), path
    assert status(f"{address}/gradio_api/upload", b"x") == 404
    assert status(f"{address}/gradio_api/queue/join", b"x" * 70_000) == 413
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        page = answer.read().decode()
    assert not re.findall(r"<(?:script|link)[^>]*(?:src|href)=\"https?:", page)


@pytest.fixture
def browser() -> Iterator[Chrome]:
    with chromium() as driver:
        yield driver


@pytest.mark.slow
def test_the_page_in_a_browser(server: tuple[str, Any], browser: Chrome, model: Path, other: Path) -> None:
    page = Page(browser, server[0])
    expected = SentenceTranslator.load(model, SearchOptions(beams=4)).search(["two dogs"], most=3)[0]
    beside = SentenceTranslator.load(other, SearchOptions(beams=4)).search(["two dogs"])[0][0].text
    page.translate("two dogs")
    page.wait("#alternatives", f"{expected[0].score:.4f}")
    cells = page.texts("#alternatives td")
    assert cells[::2] == [f"{one.score:.4f}" for one in expected]
    assert [" ".join(cell.split()) for cell in cells[1::2]] == [" ".join(one.text.split()) for one in expected]
    for name, pieces in zip(("own", "other"), mark_changes(expected[0].text, beside), strict=True):
        tokens = [text for text in page.texts(f"#{name} .token .text") if text.strip()]
        assert " ".join(tokens) == " ".join("".join(text for text, _ in pieces).split())
        assert page.texts(f"#{name} .token:has(.label) .text") == [text for text, mark in pieces if mark]
    assert "has no generator of visual features" in page.find("#about-pictures").text

    page.translate("a" * (MOST_CHARACTERS + 1))
    page.wait("#message", "The caption has 501 characters; at most 500 are translated here.")
    assert page.texts("#alternatives td") == []
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
    sent = re.findall(r'"url":"(https?://[^"]+)"', " ".join(line["message"] for line in browser.get_log("performance")))
    assert sent
    assert all(url.startswith(server[0]) for url in sent)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nbest", "6"], "--nbest: got 6, more than the 5 hypotheses of --beam"),
        (["--port", "70000"], "--port"),
        (["--host", "no.such.host.invalid"], "--host: got 'no.such.host.invalid', no address of this machine"),
        (["--against", "nowhere"], "no such folder: nowhere"),
    ],
)
def test_mistakes(model: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if arguments[0] in ("--host", "--against"):
        pytest.importorskip("gradio", reason="needs Gradio: pip install 'limbeck[demo]'")
    assert execute(["demo", str(model), "--port", "0", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_models_that_have_no_page(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio", reason="needs Gradio: pip install 'limbeck[demo]'")
    given = tiny(tmp_path / "given", visual="given", vision_maps=maps_to_json([TOP]))
    french = tmp_path / "french"
    shutil.copytree(model, french)
    (french / "limbeck.json").write_text('{"text": "plain", "source": "en", "target": "fr"}')
    german = tmp_path / "german"
    shutil.copytree(model, german)
    (german / "limbeck.json").write_text('{"text": "plain", "source": "en", "target": "de"}')
    capsys.readouterr()
    for arguments, message in (
        ([given], "this model reads pictures (visual='given')"),
        ([tmp_path / "nowhere"], "no such folder"),
        ([french, "--against", german], "translates en to de, and"),
    ):
        assert execute(["demo", "--port", "0", *map(str, arguments)]) == 2
        written = capsys.readouterr()
        assert message in written.err
        assert (written.err.count("\n"), written.out) == (1, "")


def test_a_port_that_is_taken(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio", reason="needs Gradio: pip install 'limbeck[demo]'")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert execute(["demo", str(model), "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"error: --host 127.0.0.1 --port {port}: Address already in use; try another\n"


def test_without_gradio(model: Path, tmp_path: Path) -> None:
    (tmp_path / "gradio.py").write_text("raise ImportError('not here')\n")
    found_first = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(found_first)}
    command = [sys.executable, "-c", CODE, "demo", str(model)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr == "error: `limbeck demo` needs Gradio (not here): pip install 'limbeck[demo]'\n"


@pytest.mark.slow
def test_other_addresses_are_warned_of(model: Path) -> None:
    pytest.importorskip("gradio", reason="needs Gradio: pip install 'limbeck[demo]'")
    process = demo(model, "--host", "0.0.0.0", "--port", "0")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://0.0.0.0:")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.startswith("warning: --host 0.0.0.0: whoever reaches this machine can use the page")
    assert process.returncode == 130
