"""Plain sentences to and from the text of Multi30k's ``tok`` files: lower case, normalised, tokenised as by Moses."""

from __future__ import annotations


class MosesText:
    """The text handling of a model that was trained on tokenised sentences.

    Args:
        source: The language of what is tokenised, as ``"en"``.
        target: The language of what is put together again.

    Reference:
        Koehn et al., "Moses: Open Source Toolkit for Statistical Machine Translation", ACL 2007.

    Example:
        >>> text = MosesText("en", "de")
        >>> text.tokenize('A man\u2019s "dog", in a hat.')
        'a man &apos;s &quot; dog , &quot; in a hat .'
        >>> text.detokenize("ein hund , mit &quot; hut &quot; .")
        'ein hund, mit "hut".'
    """

    def __init__(self, source: str, target: str) -> None:
        from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer  # type: ignore[import-untyped]

        self._normalizer = MosesPunctNormalizer(source)
        self._tokenizer = MosesTokenizer(source)
        self._detokenizer = MosesDetokenizer(target)

    def tokenize(self, sentence: str) -> str:
        """Lower-case, normalise the punctuation, tokenise, and escape what Moses gives a meaning to."""
        return str(self._tokenizer.tokenize(self._normalizer.normalize(sentence).lower(), return_str=True))

    def detokenize(self, sentence: str) -> str:
        """Put tokens together as a sentence is written; the case stays lower."""
        return str(self._detokenizer.detokenize(sentence.split()))
