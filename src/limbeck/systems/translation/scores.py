"""What translations of the tests are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from limbeck.evaluation.compare import evaluate_texts, text_metrics
from limbeck.evaluation.meteor import LANGUAGES
from limbeck.systems.translation.corpus import Corpus


def score_tests(corpus: Corpus, hypotheses: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """BLEU, chrF, TER and, where there is one for the language, METEOR of every test.

    Args:
        corpus: Has the references.
        hypotheses: Translations of each test.

    Returns:
        By test: ``segments``, and ``metrics`` with each score, its 95% bootstrap interval and its signature.
    """
    language = corpus.target_language if corpus.target_language in LANGUAGES else ""
    metrics = text_metrics(tokenize="none" if corpus.tokenized else "13a", language=language)
    found = {}
    for name, lines in hypotheses.items():
        scores = {
            one.metric.name: {
                **asdict(one.interval),
                "higher_is_better": one.metric.higher_is_better,
                "signature": one.metric.signature,
            }
            for one in evaluate_texts(metrics, lines, corpus.tests[name].target, samples=1000)
        }
        found[name] = {"segments": len(lines), "metrics": scores}
    return found
