"""How many sentences a second a translator gives, beside its peers: `python benchmarks/translation.py [MODEL TEXT]`.

The contenders have the same weights and translate the same sentences, with the same beam and batches, by turns: ours on
PyTorch and on ONNX Runtime, `generate()` of transformers, and CTranslate2 in fp32 and int8 (`pip install
'limbeck[benchmarks,onnx]'`). Each line has ours over that contender, in speed, and the share of sentences on which the
two agree. MODEL is a text-only model; without one, a random model with the paper's layers translates the world's
captions, always to the same length, since it never ends a sentence by itself.

On a busy machine `--threads 1 --clock cpu` counts the processor time that the process got, and not what others took.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from limbeck.data.batching import pad_ids
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.layers import sinusoidal_positions
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.ikd_mmt.onnx_export import export_onnx
from limbeck.models.ikd_mmt.search import SearchOptions
from limbeck.models.ikd_mmt.tokenization import train_tokenizer
from limbeck.models.ikd_mmt.translator import Translator
from limbeck.models.quiet import quiet_transformers
from limbeck.world import World
from processes import processor

Contender = Callable[[Sequence[str]], list[str]]
LONGEST_POSITIONS = 1100
"""CTranslate2 wants a table of positions: enough for 512 source tokens and the translations they allow."""


def random_model(sentences: Sequence[str]) -> Translator:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(sentences, 8000)
    return Translator(IKDMMTForTranslation(IKDMMTConfig(vocab_size=len(tokenizer))), tokenizer)


def generate(translator: Translator) -> Contender:
    """`generate()`, in the batches and within the limits of the search."""
    model, tokenizer, options = translator.model, translator.tokenizer, translator.options

    @torch.inference_mode()
    def translate(sentences: Sequence[str]) -> list[str]:
        ids = dict(enumerate(tokenizer(list(sentences)).input_ids))
        found = [""] * len(sentences)
        for batch in translator._batches(sorted(ids, key=lambda number: len(ids[number])), ids):
            inputs, _ = pad_ids([ids[number] for number in batch], 0)
            longest = int(options.limits(torch.tensor([inputs.shape[1]])))
            output: Any = model.generate(
                inputs, attention_mask=inputs.ne(0).long(), num_beams=options.beams,
                length_penalty=options.length_penalty, max_new_tokens=longest, do_sample=False,
            )  # fmt: skip
            for number, row in zip(batch, tokenizer.batch_decode(output, skip_special_tokens=True), strict=True):
                found[number] = row
        return found

    return translate


def write_ctranslate2(translator: Translator, folder: Path) -> None:
    """The same weights as CTranslate2 wants them."""
    from ctranslate2.specs import TransformerSpec

    model, config = translator.model, translator.model.config
    if config.visual != "none" or config.kv != "previous":
        raise SystemExit(f"CTranslate2 has text-only models alone, got visual={config.visual!r}, kv={config.kv!r}")
    weights = {name: value.float().numpy() for name, value in model.state_dict().items()}
    spec: Any = TransformerSpec.from_config((config.encoder_layers, config.decoder_layers), config.num_heads)

    def linear(spec: Any, *names: str) -> None:
        spec.weight, spec.bias = (
            torch.cat([model.get_parameter(f"{name}.{kind}").detach() for name in names]).numpy()
            for kind in ("weight", "bias")
        )

    def norm(spec: Any, name: str) -> None:
        spec.gamma, spec.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]

    def attention(spec: Any, name: str, norm_name: str, *, own: bool) -> None:
        query, key_value = f"{name}.query", f"{name}.key_value"
        for part, names in zip(spec.linear, [(query, key_value)] if own else [(query,), (key_value,)], strict=False):
            linear(part, *names)
        linear(spec.linear[-1], f"{name}.out")
        norm(spec.layer_norm, norm_name)

    def feed_forward(spec: Any, layer: str) -> None:
        norm(spec.layer_norm, f"{layer}.ffn_norm")
        linear(spec.linear_0, f"{layer}.ffn.up")
        linear(spec.linear_1, f"{layer}.ffn.down")

    for index, layer in enumerate(spec.encoder.layer):
        name = f"encoder.layers.{index}"
        attention(layer.self_attention, f"{name}.attention", f"{name}.attention_norm", own=True)
        feed_forward(layer.ffn, name)
    for index, layer in enumerate(spec.decoder.layer):
        name = f"decoder.layers.{index}"
        attention(layer.self_attention, f"{name}.self_attention", f"{name}.self_norm", own=True)
        attention(layer.attention, f"{name}.cross_attention", f"{name}.cross_norm", own=False)
        feed_forward(layer.ffn, name)
    for side, name in ((spec.encoder, "encoder"), (spec.decoder, "decoder")):
        norm(side.layer_norm, f"{name}.norm")
        side.scale_embeddings = True
        side.position_encodings.encodings = sinusoidal_positions(LONGEST_POSITIONS, config.d_model).numpy()
    embedding = weights["encoder.embedding.weight"]
    spec.encoder.embeddings[0].weight = spec.decoder.embeddings.weight = spec.decoder.projection.weight = embedding

    tokenizer = translator.tokenizer
    entries = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    spec.register_source_vocabulary(entries)
    spec.register_target_vocabulary(entries)
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = "<s>", "</s>", "<unk>"
    spec.config.decoder_start_token = "<s>"
    spec.validate()
    spec.save(str(folder))


def ctranslate2(translator: Translator, folder: Path, compute_type: str, threads: int) -> Contender:
    from ctranslate2 import Translator as Peer

    peer = Peer(str(folder), compute_type=compute_type, inter_threads=1, intra_threads=threads)
    tokenizer, options = translator.tokenizer, translator.options

    def translate(sentences: Sequence[str]) -> list[str]:
        ids = tokenizer(list(sentences)).input_ids
        results = peer.translate_batch(
            [tokenizer.convert_ids_to_tokens(row) for row in ids],
            beam_size=options.beams,
            length_penalty=options.length_penalty,
            max_decoding_length=int(options.limits(torch.tensor([max(map(len, ids))]))),
            max_batch_size=translator.batch_tokens,
            batch_type="tokens",
        )
        rows: Any = [tokenizer.convert_tokens_to_ids(result.hypotheses[0]) for result in results]
        return tokenizer.batch_decode(rows, skip_special_tokens=True)

    return translate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", help="a text-only model's folder")
    parser.add_argument("text", type=Path, nargs="?", help="sentences, one a line, as the model's tokenizer takes them")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--single", type=int, default=100, help="sentences that are translated alone, for latency")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    chosen = parser.parse_args()
    if (chosen.model is None) != (chosen.text is None):
        parser.error("give MODEL and TEXT, or neither")
    now = time.perf_counter if chosen.clock == "wall" else time.process_time

    torch.set_num_threads(chosen.threads)
    if chosen.text is None:
        sentences = World().scenes("test", start=0, count=chosen.sentences).captions("en")
        translator = random_model(sentences)
    else:
        sentences = chosen.text.read_text(encoding="utf-8").splitlines()[: chosen.sentences]
        translator = Translator.load(chosen.model)
    translator.options = SearchOptions(chosen.beam) if chosen.model else SearchOptions(chosen.beam, max_ratio=0.0)
    with tempfile.TemporaryDirectory() as name, quiet_transformers():
        folder = Path(name)
        translator.save(folder / "model")
        export_onnx(folder / "model", folder / "onnx")
        write_ctranslate2(translator, _made(folder / "ctranslate2"))
        exported = Translator.load_onnx(folder / "onnx", translator.options)
        translator.batch_tokens = exported.batch_tokens = chosen.batch_tokens
        contenders: dict[str, Contender] = {
            "ours": translator.translate,
            "ours-onnx": exported.translate,
            "generate": generate(translator),
            "ctranslate2-fp32": ctranslate2(translator, folder / "ctranslate2", "float32", chosen.threads),
            "ctranslate2-int8": ctranslate2(translator, folder / "ctranslate2", "int8", chosen.threads),
        }
        contenders = {name: each for name, each in contenders.items() if name == "ours" or name not in chosen.without}
        measure(contenders, sentences, chosen, now)
    versions = ("torch", "transformers", "onnxruntime", "ctranslate2", "limbeck")
    print(f"{processor()}, CPU, {chosen.threads} thread{'s' * (chosen.threads > 1)}, beam {chosen.beam}, "
          f"{chosen.batch_tokens} tokens a batch, {chosen.clock} time, medians of {chosen.repeat} turns; "
          f"{chosen.model or 'a random model'}, {sum(p.numel() for p in translator.model.parameters()):,} parameters; "
          f"Python {platform.python_version()}, "
          f"{', '.join(f'{name} {importlib.metadata.version(name)}' for name in versions)}; "
          f"{datetime.date.today()}")  # fmt: skip


def measure(
    contenders: dict[str, Contender], sentences: Sequence[str], chosen: argparse.Namespace, now: Callable[[], float]
) -> None:
    """Let them translate by turns, all sentences together and some alone, and print what came out."""
    found: dict[str, list[str]] = {}
    together: dict[str, list[float]] = {name: [] for name in contenders}
    alone: dict[str, list[float]] = {name: [] for name in contenders}
    for translate in contenders.values():
        translate(sentences[:50])
    for _ in range(chosen.repeat):
        for name, translate in contenders.items():
            start = now()
            found[name] = translate(sentences)
            together[name].append(now() - start)
            for sentence in sentences[: chosen.single]:
                start = now()
                translate([sentence])
                alone[name].append(1e3 * (now() - start))
    seconds = {name: statistics.median(times) for name, times in together.items()}
    medians = {name: statistics.median(times) for name, times in alone.items()}
    print(f"{'':18}{'sentences/s':>12}{'ours is':>9}{'alone, ms':>11}{'p90':>7}{'ours is':>9}{'same':>9}")
    for name in contenders:
        tail = statistics.quantiles(alone[name], n=10)[-1]
        same = sum(one == other for one, other in zip(found[name], found["ours"], strict=True)) / len(sentences)
        print(f"{name:18}{len(sentences) / seconds[name]:12.1f}{seconds[name] / seconds['ours']:8.2f}x"
              f"{medians[name]:11.1f}{tail:7.1f}{medians[name] / medians['ours']:8.2f}x{same:9.1%}")  # fmt: skip


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
