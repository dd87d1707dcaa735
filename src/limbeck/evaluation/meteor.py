"""METEOR without its word lists: exact and stem matches."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from limbeck.errors import LimbeckError
from limbeck.evaluation.base import Statistics, TextMetric, check_pairs, divide

_BEAM = 40
"""Partial alignments kept at each word."""

_STEM_IN_SEARCH = 0.5
"""What a stem match is worth to the aligner, whatever it is worth to the score."""


@dataclass(frozen=True)
class Parameters:
    """METEOR's tuned constants for one language.

    Args:
        stemmer: Snowball's name of the language; ``None`` leaves the stem stage out.
        alpha: Weight of recall against precision in the harmonic mean.
        beta: Exponent of the fragmentation.
        gamma: Largest fragmentation penalty.
        delta: Weight of content words against function words.
        stem: What a stem match is worth; an exact one is worth 1.
    """

    stemmer: str | None
    alpha: float
    beta: float
    gamma: float
    delta: float
    stem: float


def _independent(stemmer: str) -> Parameters:
    return Parameters(stemmer, alpha=0.75, beta=1.40, gamma=0.70, delta=0.50, stem=0.5)


LANGUAGES: dict[str, Parameters] = {
    "en": Parameters("english", alpha=0.85, beta=0.20, gamma=0.60, delta=0.75, stem=0.6),
    "de": Parameters("german", alpha=0.95, beta=1.00, gamma=0.55, delta=0.55, stem=0.8),
    "fr": Parameters("french", alpha=0.90, beta=1.40, gamma=0.60, delta=0.65, stem=0.2),
    "es": Parameters("spanish", alpha=0.65, beta=1.30, gamma=0.50, delta=0.80, stem=0.8),
    "cs": Parameters(None, alpha=0.95, beta=0.20, gamma=0.60, delta=0.80, stem=0.0),
    "ru": _independent("russian"),
    "da": _independent("danish"),
    "fi": _independent("finnish"),
    "hu": _independent("hungarian"),
    "it": _independent("italian"),
    "nl": _independent("dutch"),
    "no": _independent("norwegian"),
    "pt": _independent("portuguese"),
    "ro": _independent("romanian"),
    "sv": _independent("swedish"),
    "tr": _independent("turkish"),
}
"""METEOR 1.5's ranking parameters, and its language-independent ones where it has none of the language."""


@dataclass(frozen=True)
class Meteor(TextMetric):
    """METEOR 1.5's formula over exact and stem matches; its scores are not comparable with the Java program's.

    Each hypothesis is aligned with its reference word by word: most (weighted) matches first, then fewest chunks,
    then shortest distance. With weighted precision ``P``, recall ``R``, ``c`` chunks and ``m`` matched words::

        F = P R / (alpha P + (1 - alpha) R)        score = F (1 - gamma (c / m) ^ beta)

    Statistics are added over the corpus and the formula is applied once, as METEOR does; the one chunk of a perfect
    segment is not counted.

    What is missing: METEOR's paraphrase tables, its synonyms (English), and its function-word lists, hence the name.
    Without paraphrases scores are some points lower than published ones. Without function words ``delta`` has no
    effect; :func:`frequent_words` makes such a list from a corpus by METEOR's own rule. Stems are those of today's
    Snowball, which differ from the ones METEOR 1.5 came with for a few words.

    Args:
        language: A key of :data:`LANGUAGES`.
        tokenize: ``"13a"`` tokenises as BLEU does by default; ``"none"`` splits at spaces.
        function_words: Lower-case words that count ``1 - delta`` instead of ``delta``.

    Reference:
        Denkowski and Lavie 2014, "Meteor Universal: Language Specific Translation Evaluation for Any Target
        Language"; Denkowski and Lavie 2011 for the function words.

    Example:
        >>> meteor = Meteor("en")
        >>> round(meteor.score(meteor.statistics(["a dog runs"], ["a dog runs"])), 2)
        100.0
        >>> round(meteor.score(meteor.statistics(["two dogs run"], ["two dog running"])), 2)
        73.33
    """

    language: str = "en"
    tokenize: str = "13a"
    function_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise LimbeckError(f"METEOR has no language {self.language!r}; possible are {', '.join(sorted(LANGUAGES))}")
        if self.tokenize not in ("13a", "none"):
            raise LimbeckError(f"METEOR tokenises by '13a' or 'none'; got {self.tokenize!r}")

    @property
    def name(self) -> str:
        """``METEOR-exact-stem``: what is matched is part of the name."""
        return "METEOR-exact-stem" if LANGUAGES[self.language].stemmer else "METEOR-exact"

    @property
    def signature(self) -> str:
        """Language, parameters, stages, tokenisation, and what is missing."""
        p = LANGUAGES[self.language]
        stages = f"exact:1,stem:{p.stem:g}" if p.stemmer else "exact:1"
        return (
            f"lang:{self.language}|params:1.5-{p.alpha:g},{p.beta:g},{p.gamma:g},{p.delta:g}|{stages}|para:no|syn:no"
            f"|funcwords:{len(self.function_words) or 'no'}|case:lc|tok:{self.tokenize}"
            f"|snowball:{version('snowballstemmer')}"
        )

    def statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
        """``(P's matches, hypothesis length, R's matches, reference length, chunks, matches)`` for each pair.

        The first four are weighted by stage and by word class.
        """
        check_pairs(hypotheses, references)
        p = LANGUAGES[self.language]
        stem = _stemmer(p.stemmer)
        functional = frozenset(self.function_words)

        def weight(word: str) -> float:
            return 1 - p.delta if word in functional else p.delta

        rows = []
        for hypothesis, reference in zip(map(self._tokens, hypotheses), map(self._tokens, references), strict=True):
            pairs = align(hypothesis, reference, stem)
            stages = [1.0 if hypothesis[i] == reference[j] else p.stem for i, j in pairs]
            perfect = len(pairs) == len(hypothesis) == len(reference) and chunks(pairs) == 1
            rows.append(
                (
                    sum(stage * weight(hypothesis[i]) for stage, (i, _) in zip(stages, pairs, strict=True)),
                    sum(map(weight, hypothesis)),
                    sum(stage * weight(reference[j]) for stage, (_, j) in zip(stages, pairs, strict=True)),
                    sum(map(weight, reference)),
                    0 if perfect else chunks(pairs),
                    len(pairs),
                )
            )
        return np.asarray(rows, dtype=np.float64)

    def aggregate(self, sums: Statistics) -> Statistics:
        """METEOR in points, from the summed statistics."""
        p = LANGUAGES[self.language]
        precision = divide(sums[..., 0], sums[..., 1])
        recall = divide(sums[..., 2], sums[..., 3])
        mean = divide(precision * recall, p.alpha * precision + (1 - p.alpha) * recall)
        penalty = p.gamma * divide(sums[..., 4], sums[..., 5]) ** p.beta
        return 100 * np.maximum(mean * (1 - penalty), 0.0)

    def _tokens(self, text: str) -> list[str]:
        return (_tokenizer()(text) if self.tokenize == "13a" else text).lower().split()


def align(hypothesis: Sequence[str], reference: Sequence[str], stem: Callable[[str], str]) -> list[tuple[int, int]]:
    """Align words one to one: most matches (a stem match counts half), then fewest chunks, then least distance.

    A beam search from left to right over the reference. Partial alignments that leave the same choices open are
    merged, so that the beam is only ever full where a sentence repeats itself a lot.

    Args:
        hypothesis: Tokens.
        reference: Tokens.
        stem: Gives a token's stem.

    Returns:
        Pairs (hypothesis position, reference position), in the order of the reference.

    Example:
        >>> align("the cat the dog".split(), "the dog".split(), str)
        [(2, 0), (3, 1)]
    """
    stems = [stem(word) for word in hypothesis]
    options: list[list[tuple[int, float]]] = []
    for word in reference:
        root = stem(word)
        exact = {i for i, other in enumerate(hypothesis) if other == word}
        options.append(
            [(i, 1.0 if i in exact else _STEM_IN_SEARCH) for i, s in enumerate(stems) if s == root or i in exact]
        )
    uses = Counter(i for matches in options for i, _ in matches)
    # Words of the hypothesis that later reference words may still want: all that the past matters for.
    wanted = [0] * (len(reference) + 1)
    for j in range(len(reference) - 1, -1, -1):
        wanted[j] = wanted[j + 1] | sum(1 << i for i, _ in options[j])

    # (-matches, chunks, distance), used words, hypothesis position just matched, pairs
    Path = tuple[tuple[float, int, int], int, int, tuple[tuple[int, int], ...]]
    beam: list[Path] = [((0.0, 0, 0), 0, -2, ())]
    for j, matches in enumerate(options):
        certain = len(matches) == 1 and uses[matches[0][0]] == 1
        merged: dict[tuple[int, int], Path] = {}
        for cost, used, last, pairs in beam:
            grown: list[Path] = [] if certain else [(cost, used, -2, pairs)]
            for i, worth in matches:
                if not used >> i & 1:
                    better = (cost[0] - worth, cost[1] + (i != last + 1), cost[2] + abs(i - j))
                    grown.append((better, used | 1 << i, i, (*pairs, (i, j))))
            for path in grown:
                key = (path[1] & wanted[j + 1], path[2])
                if key not in merged or path[0] < merged[key][0]:
                    merged[key] = path
        beam = sorted(merged.values(), key=lambda path: path[0])[:_BEAM]
    return list(min(beam, key=lambda path: path[0])[3])


def chunks(pairs: Sequence[tuple[int, int]]) -> int:
    """How many runs of words are adjacent and in the same order on both sides.

    Example:
        >>> chunks([(0, 0), (1, 1), (3, 2)]), chunks([])
        (2, 0)
    """
    follows = sum((i + 1, j + 1) == after for (i, j), after in itertools.pairwise(pairs))
    return len(pairs) - follows


def frequent_words(lines: Iterable[str], threshold: float = 1e-3) -> tuple[str, ...]:
    """Function words by METEOR's rule: words whose relative frequency in a corpus reaches the threshold.

    Args:
        lines: Tokenised text of the target language; the more, the better.
        threshold: Smallest relative frequency.

    Example:
        >>> frequent_words(["the cat", "the dog"], threshold=0.5)
        ('the',)
    """
    counts = Counter(word for line in lines for word in line.lower().split())
    total = counts.total()
    return tuple(sorted(word for word, count in counts.items() if count / total >= threshold))


@functools.cache
def _tokenizer() -> Callable[[str], str]:
    from sacrebleu.metrics.bleu import _get_tokenizer

    tokenize: Callable[[str], str] = _get_tokenizer("13a")()
    return tokenize


@functools.cache
def _stemmer(language: str | None) -> Callable[[str], str]:
    if language is None:
        return lambda word: word
    import snowballstemmer

    stemmer = snowballstemmer.stemmer(language)

    @functools.lru_cache(maxsize=100_000)
    def stem(word: str) -> str:
        return str(stemmer.stemWord(word))

    return stem
