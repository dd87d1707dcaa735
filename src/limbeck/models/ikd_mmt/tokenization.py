"""The joint subword vocabulary: byte-pair encoding trained on both sides of the parallel text."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")
PAD, BOS, EOS, UNK = range(4)


def train_tokenizer(
    lines: Iterable[str], vocab_size: int, *, split_punctuation: bool = True, min_frequency: int = 2
) -> PreTrainedTokenizerFast:
    """Train a byte-pair encoding with word boundaries, for source and target together.

    The mark of a boundary keeps what was a blank, so that decoding gives the text back.

    Args:
        lines: Sentences of all languages.
        vocab_size: Most entries, special tokens included.
        split_punctuation: Whether punctuation is split off words, as plain sentences need; in tokenised text it stands
            apart already, and what is left within words (``&apos;s``) belongs there.
        min_frequency: Least number of times a pair must occur to be merged.

    Raises:
        ValueError: If the vocabulary is too small to hold anything, or there is no text.

    Reference:
        Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", ACL 2016.

    Example:
        >>> tokenizer = train_tokenizer(["A dog runs.", "Ein Hund läuft."] * 2, 200)
        >>> tokenizer.decode(tokenizer("Ein dog runs.").input_ids, skip_special_tokens=True)
        'Ein dog runs.'
    """
    if vocab_size <= len(SPECIAL_TOKENS):
        raise ValueError(f"vocab_size must be more than the {len(SPECIAL_TOKENS)} special tokens, got {vocab_size}")
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL_TOKENS[UNK]))
    tokenizer.normalizer = normalizers.NFC()
    words = pre_tokenizers.Metaspace()
    punctuation = pre_tokenizers.Split(Regex(r"▁?\p{P}"), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, punctuation]) if split_punctuation else words
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    if tokenizer.get_vocab_size() == len(SPECIAL_TOKENS):
        raise ValueError("there is no text to train a tokenizer on")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {SPECIAL_TOKENS[EOS]}", special_tokens=[(SPECIAL_TOKENS[EOS], EOS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL_TOKENS[PAD],
        bos_token=SPECIAL_TOKENS[BOS],
        eos_token=SPECIAL_TOKENS[EOS],
        unk_token=SPECIAL_TOKENS[UNK],
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def set_bpe_dropout(tokenizer: PreTrainedTokenizerFast, probability: float | None) -> None:
    """Skip each merge with this probability, so that a word is seen in several segmentations; ``None`` turns it off.

    Reference:
        Provilkov et al., "BPE-Dropout", ACL 2020.
    """
    tokenizer.backend_tokenizer.model.dropout = probability or None
