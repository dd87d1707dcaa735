"""Target tokens a second in training, ours against joeynmt's and `transformers`', equal in size, data and batch tokens.

    python benchmarks/training.py --data data/multi30k/tok --joeynmt ~/joeynmt-venv/bin/python

Every contender trains the same 4 + 4 layers of width 128 on the same subwords, in turn and several times, each time in
a process of its own; what is printed is the median of the rounds and its ratio. joeynmt 2.3 asks for older packages
than ours, so it has an environment of its own (`pip install --no-deps joeynmt==2.3.0` and what its import then misses,
beside the same torch). It does not sort sentences by length; Marian in the Trainer is given our batches.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
import yaml

from limbeck.models.vision.maps import MapSpec
from limbeck.systems.translation.arms import ARMS
from limbeck.systems.translation.corpus import Corpus, Part, WorldCorpus
from limbeck.systems.translation.pictures import Pictures
from limbeck.systems.translation.prepare import Prepared, prepare
from limbeck.systems.translation.recipe import Recipe
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.translation import TranslationTask
from processes import ask, is_child, processor

WARM_UP = 20
"""Steps that are not counted."""

OURS = {
    "text-only": "limbeck, text only",
    "ikd": "limbeck, IKD (stored vectors)",
    "ikd-maps": "limbeck, IKD (stored maps)",
}
SPECIAL = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}


def corpus_of(data: Path | None, lines: int) -> Corpus:
    """Multi30k's tokenised captions, or the world's."""
    if data is None:
        return WorldCorpus("en-de", lines, 100).read()
    sides = []
    for language in ("en", "de"):
        with gzip.open(data / f"train.lc.norm.tok.{language}.gz", "rt", encoding="utf-8") as file:
            sides.append([line.rstrip("\n") for line, _ in zip(file, range(lines), strict=False)])
    source, target = sides
    train = Part(source, target, list(range(len(source))))
    val = Part(train.source[:100], train.target[:100], train.pictures[:100])
    return Corpus("en-de", train, val, {"val": val}, tokenized=True)


def stored(corpus: Corpus, channels: int, size: int) -> Pictures:
    """Random features in the place of a vision network's; their values have no part in the time."""
    count = len(corpus.train)
    values = torch.from_numpy(np.random.default_rng(0).standard_normal((count, channels, size, size), np.float32))
    return Pictures(
        (MapSpec("top", channels, size, size, "model"),), None, {"top": values.half()}, {n: n for n in range(count)}
    )


def prepared(options: argparse.Namespace, arm: str) -> Prepared:
    corpus = corpus_of(options.data, options.lines)
    pictures = {"text-only": None, "ikd": stored(corpus, 256, 1), "ikd-maps": stored(corpus, 1280, 4)}[arm]
    plan = Plan(lr=1e-3, max_steps=WARM_UP + options.steps)
    recipe = Recipe(vocab_size=6000, batch_tokens=options.batch_tokens, plan=plan)
    return prepare(ARMS["text-only" if arm == "text-only" else "ikd"], corpus, pictures, recipe, 1)


def ours(options: argparse.Namespace, arm: str) -> float:
    ready = prepared(options, arm)
    plan = Plan(lr=1e-3, max_steps=WARM_UP + options.steps, log_every=WARM_UP, seed=1)
    loader = ready.train.loader(options.batch_tokens, seed=1)
    history = fit(TranslationTask(ready.model, ready.method), loader, plan, progress=False)
    return statistics.median(row["tokens_per_second"] for row in history.log[1:])


def marian(options: argparse.Namespace) -> float:
    """An equal Marian model in the Trainer of `transformers`, on our batches."""
    import time

    from transformers import MarianConfig, MarianMTModel, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

    ready = prepared(options, "text-only")
    tokenizer = ready.tokenizer
    pad = int(tokenizer.pad_token_id)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(tokenizer), d_model=128, encoder_layers=4, decoder_layers=4, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=256, decoder_ffn_dim=256, dropout=0.3,
            activation_function="relu", max_position_embeddings=256, pad_token_id=pad,
            eos_token_id=tokenizer.eos_token_id, decoder_start_token_id=pad, forced_eos_token_id=None,
            scale_embedding=True,
        )
    )  # fmt: skip
    loader = ready.train.loader(options.batch_tokens, seed=1)

    class Batches(torch.utils.data.IterableDataset[dict[str, torch.Tensor]]):
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            while True:
                for batch in loader:
                    ids = batch["input_ids"]
                    labels = batch["labels"]
                    yield {
                        "input_ids": ids,
                        "attention_mask": ids.ne(pad).long(),
                        "labels": labels,
                        "decoder_input_ids": model.prepare_decoder_input_ids_from_labels(labels),
                    }

    class Clock(TrainerCallback):
        tokens, began, seconds = 0, 0.0, 0.0

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == WARM_UP:
                self.began = time.perf_counter()

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.seconds = time.perf_counter() - self.began

    class Trainer(Seq2SeqTrainer):
        def get_train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(Batches(), batch_size=None)

        def training_step(self, model: Any, inputs: Any, *rest: Any) -> Any:
            if self.state.global_step >= WARM_UP:
                clock.tokens += int(inputs["labels"].ne(-100).sum())
            return super().training_step(model, inputs, *rest)

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = Seq2SeqTrainingArguments(
            output_dir=folder, max_steps=WARM_UP + options.steps, label_smoothing_factor=0.1, learning_rate=1e-3,
            optim="adamw_torch_fused", report_to="none", save_strategy="no", disable_tqdm=True, use_cpu=True,
            logging_steps=1000, max_grad_norm=0,
        )  # fmt: skip
        Trainer(model=model, args=arguments, train_dataset=Batches(), callbacks=[clock]).train()
    return clock.tokens / clock.seconds


def joeynmt(options: argparse.Namespace) -> float:
    """joeynmt's own `train`, by its own clock."""
    corpus = corpus_of(options.data, options.lines)
    tokenizer = prepared(options, "text-only").tokenizer
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for language, lines in (("en", corpus.train.source), ("de", corpus.train.target)):
            pieces = [" ".join(tokenizer.convert_ids_to_tokens(ids[:-1])) for ids in tokenizer(lines).input_ids]
            (folder / f"train.{language}").write_text("\n".join(pieces) + "\n", encoding="utf-8")
            (folder / f"dev.{language}").write_text("\n".join(pieces[:10]) + "\n", encoding="utf-8")
        known = set(SPECIAL.values()) | set(tokenizer.all_special_tokens)
        words = [word for word in tokenizer.get_vocab() if word not in known]
        (folder / "vocabulary").write_text("\n".join([*SPECIAL.values(), *words]) + "\n", encoding="utf-8")
        (folder / "config.yaml").write_text(yaml.safe_dump(_joeynmt_config(folder, options)))
        subprocess.run(
            [str(options.joeynmt), "-c", f"import torch; torch.set_num_threads({options.threads})\n"
             "import sys; sys.argv = ['joeynmt', 'train', sys.argv[1], '--skip-test']\n"
             "from joeynmt.__main__ import main; main()", str(folder / "config.yaml")],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        log = (folder / "model" / "train.log").read_text()
    speeds = [float(found) for found in re.findall(r"Tokens per Sec: +(\d+)", log)]
    return statistics.median(speeds[1:])


def _joeynmt_config(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    def side(language: str) -> dict[str, Any]:
        return {"lang": language, "level": "word", "voc_file": str(folder / "vocabulary"), "max_length": 250}

    def stack() -> dict[str, Any]:
        return {
            "type": "transformer", "num_layers": 4, "num_heads": 4, "hidden_size": 128, "ff_size": 256, "dropout": 0.3,
            "embeddings": {"embedding_dim": 128, "scale": True, "dropout": 0.0}, "layer_norm": "pre",
        }  # fmt: skip

    return {
        "name": "benchmark", "joeynmt_version": "2.3.0", "model_dir": str(folder / "model"), "use_cuda": False,
        "data": {
            "train": str(folder / "train"), "dev": str(folder / "dev"), "dataset_type": "plain", "src": side("en"),
            "trg": side("de"), "special_symbols": SPECIAL,
        },
        "testing": {"beam_size": 1, "batch_size": 10, "eval_metrics": []},
        "training": {
            "optimizer": "adam", "learning_rate": 1e-3, "scheduling": "warmupinversesquareroot",
            "learning_rate_warmup": 100, "normalization": "tokens", "label_smoothing": 0.1,
            "batch_size": options.batch_tokens, "batch_type": "token", "updates": WARM_UP + options.steps,
            "epochs": 1000, "logging_freq": WARM_UP, "validation_freq": 100_000 * WARM_UP,
            "early_stopping_metric": "ppl",
        },
        "model": {
            "initializer": "xavier_uniform", "embed_initializer": "xavier_uniform", "tied_embeddings": True,
            "tied_softmax": True, "encoder": stack(), "decoder": stack(),
        },
    }  # fmt: skip


def measure(contender: str, arguments: list[str]) -> float:
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    others = {"marian": marian, "joeynmt": joeynmt}
    return others[contender](options) if contender in others else ours(options, contender)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of Multi30k's tok files; the world's captions by default")
    parser.add_argument("--joeynmt", type=Path, help="a Python that has joeynmt 2.3; left out by default")
    parser.add_argument("--lines", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser


def main() -> None:
    if is_child(measure):
        return
    options = parser().parse_args()
    contenders = {**OURS, "marian": f"transformers {transformers.__version__}, Marian in the Trainer"}
    if options.joeynmt:
        contenders["joeynmt"] = "joeynmt 2.3.0"
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name in contenders:
            speeds[name].append(ask(contender=name, arguments=sys.argv[1:]))
    first = statistics.median(speeds["text-only"])
    for name, title in contenders.items():
        middle = statistics.median(speeds[name])
        print(f"{title:45} {middle:8,.0f} target tokens/s; text only is {first / middle:.2f} times as fast")
    counts = f"{options.steps} steps, {options.rounds} rounds, {options.threads} threads"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(f"batches of {options.batch_tokens} tokens, {counts}; {processor()}; {versions}; {datetime.date.today()}")


if __name__ == "__main__":
    main()
