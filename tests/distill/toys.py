"""Tiny models and data, made on the spot."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from limbeck.models.quiet import quiet_transformers

TEXT = "a the red blue dog cat house tree sees likes finds near far and runs sleeps good bad film"
WORDS = TEXT.split()
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} {{ message['content'] }} </s> {% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


def tokenizer(*, marks: bool = False) -> PreTrainedTokenizerFast:
    """One token a word; with marks, every sequence begins and ends with one."""
    names = ["<pad>", "</s>", "<unk>", "<s>", "user", "assistant", *WORDS]
    made = Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if marks:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 3), ("</s>", 1)]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", bos_token="<s>"
    )
    fast.chat_template = TEMPLATE
    return fast


def letters() -> PreTrainedTokenizerFast:
    """Another tokenizer: one token a letter."""
    names = ["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz "]
    made = Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def byte_level(*, parts: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer of GPT-2's kind, to which a word after a space is another one; or of Llama 3's, which parts first."""
    made = Tokenizer(models.BPE())
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not parts)
    cut = pre_tokenizers.Split(Regex(r"'t|[^\r\n\p{L}]?\p{L}+|[^\s\p{L}]+[\r\n]*|\s+"), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([cut, bytes_]) if parts else bytes_
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "</s>", "<s>"],
        initial_alphabet=bytes_.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([f"{TEXT} don't. assistant: user: Hello.\n Hello\n\n"], trainer)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", bos_token="<s>")


def causal(layers: int = 2, width: int = 16, **changes: Any) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer()),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=4,
            max_position_embeddings=64,
            pad_token_id=0,
            bos_token_id=3,
            eos_token_id=1,
            **changes,
        )
    )


def seq2seq() -> T5ForConditionalGeneration:
    return T5ForConditionalGeneration(
        T5Config(  # type: ignore[call-arg]
            vocab_size=len(tokenizer()),
            d_model=16,
            d_kv=4,
            d_ff=32,
            num_layers=2,
            num_heads=4,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    )


def bert(kind: type[PreTrainedModel] = BertModel, labels: int = 2, layers: int = 2, width: int = 16) -> PreTrainedModel:
    return kind(
        BertConfig(  # type: ignore[call-arg]
            vocab_size=len(tokenizer()),
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=32,
            max_position_embeddings=64,
            num_labels=labels,
            pad_token_id=0,
        )
    )


def vit(labels: int = 2, layers: int = 2, width: int = 16) -> ViTForImageClassification:
    return ViTForImageClassification(
        ViTConfig(  # type: ignore[call-arg]
            image_size=16,
            patch_size=8,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=32,
            num_labels=labels,
        )
    )


MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "causal-lm": causal,
    "seq2seq": seq2seq,
    "sequence-classification": lambda: bert(BertForSequenceClassification),
    "token-classification": lambda: bert(BertForTokenClassification, labels=3),
    "embedding": bert,
    "image-classification": vit,
}


def save(model: PreTrainedModel, folder: Path, *, marks: bool = False) -> Path:
    with quiet_transformers():
        model.save_pretrained(folder)
    if isinstance(model, ViTForImageClassification):
        ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    else:
        tokenizer(marks=marks).save_pretrained(folder)
    return folder


def pictures(folder: Path, number: int = 40, seed: int = 0) -> Path:
    """Bright and dark pictures of several sizes, in a folder a class; gives the folder."""
    drawn = np.random.default_rng(seed)
    for at in range(number):
        name, level = ("bright", 160) if at % 2 else ("dark", 40)
        pixels = drawn.integers(level, level + 60, (12 + at % 3 * 8, 20, 3), dtype=np.uint8)
        path = folder / name / f"{at:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def sentence(random_: random.Random, words: int = 6) -> str:
    return " ".join(random_.choice(WORDS) for _ in range(random_.randint(2, words)))


def rows(task: str, number: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    drawn = random.Random(seed)
    made: list[dict[str, Any]] = []
    for _ in range(number):
        text = sentence(drawn)
        if task == "causal-lm":
            made.append({"prompt": text, "completion": sentence(drawn)})
        elif task == "seq2seq":
            made.append({"source": text, "target": " ".join(reversed(text.split()))})
        elif task == "sequence-classification":
            made.append({"text": text, "label": "yes" if "dog" in text else "no"})
        elif task == "token-classification":
            tokens = text.split()
            made.append({"tokens": tokens, "labels": ["animal" if t in ("dog", "cat") else "O" for t in tokens]})
            made[-1]["labels"][0] = "first"
        else:
            made.append({"text": text, "text_pair": sentence(drawn), "score": drawn.random()})
    return made


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def project(folder: Path, task: str = "causal-lm", **changes: Any) -> Path:
    """A folder with teacher, data and configuration; gives the configuration."""
    torch.manual_seed(0)
    save(MODELS[task](), folder / "teacher", marks=task not in ("causal-lm",))
    data: dict[str, Any] = {"train": "train.jsonl", "val": "val.jsonl", "max_length": 24}
    if task == "image-classification":
        data = {"train": pictures(folder / "train").name, "val": pictures(folder / "val", 12, seed=1).name}
    else:
        write_jsonl(folder / "train.jsonl", rows(task))
        write_jsonl(folder / "val.jsonl", rows(task, 12, seed=1))
    config: dict[str, Any] = {
        "task": task,
        "teacher": "teacher",
        "student": {"layers": 1},
        "data": data,
        "method": {"name": "embedding" if task == "embedding" else "logits"},
        "batch_size": 8,
        "plan": {"lr": 1e-2, "max_steps": 4},
    } | changes
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
