from __future__ import annotations

import pytest

from limbeck.data.moses import MosesText
from limbeck.data.text import read_lines
from tests.real_data import REAL_DATA, needs


@needs("multi30k")
@pytest.mark.data
@pytest.mark.parametrize(("language", "least"), [("en", 1.0), ("de", 0.999), ("fr", 0.999)])
def test_as_in_the_tokenised_files(language: str, least: float) -> None:
    folder, text = REAL_DATA / "multi30k", MosesText(language, language)
    raw = read_lines(folder / "raw" / f"test_2016_flickr.{language}.gz")
    wanted = read_lines(folder / "tok" / f"test_2016_flickr.lc.norm.tok.{language}.gz")
    found = [text.tokenize(line) for line in raw]
    assert any("&apos;" in line for line in found)
    same = sum(a == b for a, b in zip(found, wanted, strict=True))
    assert same / len(raw) >= least


@needs("multi30k")
@pytest.mark.data
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_put_together_again(language: str) -> None:
    raw = read_lines(REAL_DATA / "multi30k" / "raw" / f"test_2016_flickr.{language}.gz")
    text = MosesText(language, language)
    same = sum(text.detokenize(text.tokenize(line)) == line.lower() for line in raw)
    assert same / len(raw) >= 0.97


def test_languages_differ() -> None:
    assert MosesText("fr", "en").tokenize("L'homme n'a pas d\u2019œil.") == "l&apos; homme n&apos; a pas d&apos; œil ."
    assert MosesText("en", "fr").tokenize("The man's.") == "the man &apos;s ."
    assert MosesText("en", "fr").detokenize("l&apos; homme a un &quot; chien &quot; .") == 'l\'homme a un "chien".'


@pytest.mark.parametrize(
    ("line", "again"),
    [
        ("", ""),
        (" \t", ""),
        ("\u2028", ""),
        ("\x00", ""),
        ("🐕 ☂", "🐕 ☂"),
        ("中文。", "中文。"),
        ("a" * 5000, "a" * 5000),
    ],
)
def test_odd_lines(line: str, again: str) -> None:
    text = MosesText("en", "de")
    assert text.detokenize(text.tokenize(line)) == again
