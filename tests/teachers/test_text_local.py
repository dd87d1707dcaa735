from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from limbeck.errors import LimbeckError
from limbeck.teachers.text.base import TextSettings
from limbeck.teachers.text.local import LocalTextTeacher

WORDS = ["<pad>", "<end>", "<user>", "<model>", *(f"w{number}" for number in range(20))]
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}> {{ message.content }} {% endfor %}"
    "{% if add_generation_prompt %}<model>{% endif %}"
)


def tokenizer(template: str | None = None) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<end>")
    fast.chat_template = template
    return fast


def model() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=64, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1
    )
    made = GPT2LMHeadModel(config)
    with torch.no_grad():
        made.transformer.wte.weight.mul_(30)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model().save_pretrained(tmp_path / "model")
    tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


PROMPTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9", "w4"]


def test_it_answers_as_the_model_alone_does(folder: Path) -> None:
    teacher = LocalTextTeacher.load(str(folder), batch_size=3)
    answers = teacher.complete(PROMPTS, TextSettings(max_tokens=6))
    alone, words = model().eval(), tokenizer()
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = torch.tensor([words(prompt).input_ids])
        for _ in range(6):
            ids = torch.cat([ids, alone(ids).logits[:, -1:].argmax(-1)], 1)
        expected = ids[0, len(prompt.split()) :].tolist()
        end = expected.index(1) if 1 in expected else None
        assert answer.text.split() == [WORDS[token] for token in expected[:end] if token > 1]
        assert answer.prompt_tokens == len(prompt.split())
        assert (answer.finish == "stop") == (end is not None)


def test_samples_depend_on_the_seed_and_disturb_nothing(folder: Path) -> None:
    teacher = LocalTextTeacher.load(str(folder))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    texts = {}
    for seed in (1, 2):
        settings = TextSettings(max_tokens=12, temperature=2.0, seed=seed)
        texts[seed] = [answer.text for answer in teacher.complete(PROMPTS, settings)]
        assert texts[seed] == [answer.text for answer in teacher.complete(PROMPTS, settings)]
    assert texts[1] != texts[2]
    assert torch.equal(torch.rand(3), expected)


def test_a_stop_text_ends_it(folder: Path) -> None:
    teacher = LocalTextTeacher.load(str(folder))
    whole = teacher.complete(["w1 w2 w3"], TextSettings(max_tokens=12, temperature=3.0, seed=1))[0].text
    stop = whole.split()[3]
    cut = teacher.complete(["w1 w2 w3"], TextSettings(max_tokens=12, temperature=3.0, seed=1, stop=(stop,)))[0]
    assert cut.text == whole[: whole.index(stop)]
    assert cut.finish == "stop"


def test_conversations_go_through_the_template() -> None:
    talk = [{"role": "user", "content": "w1"}, {"role": "model", "content": "w2"}, {"role": "user", "content": "w3"}]
    teacher = LocalTextTeacher(model(), tokenizer(TEMPLATE), name="toy")
    assert [one.prompt_tokens for one in teacher.complete([talk, "w1"], TextSettings(max_tokens=1))] == [7, 3]
    plain = LocalTextTeacher(model(), tokenizer(), name="toy")
    with pytest.raises(LimbeckError, match="toy: the tokenizer has no chat template"):
        plain.complete([talk])
    with pytest.raises(LimbeckError, match="the prompt '' has no token"):
        plain.complete([""])


def test_answers_are_kept(folder: Path, tmp_path: Path) -> None:
    settings = TextSettings(max_tokens=4)
    texts = []
    for cached in (False, True):
        teacher = LocalTextTeacher.load(str(folder), cache=tmp_path / "answers.jsonl")
        answers = teacher.complete(PROMPTS, settings)
        teacher.close()
        assert {answer.cached for answer in answers} == {cached}
        texts.append([answer.text for answer in answers])
    assert texts[0] == texts[1]


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match=f"{tmp_path}: cannot be loaded"):
        LocalTextTeacher.load(str(tmp_path))
    with pytest.raises(LimbeckError, match="name: a model that was not loaded needs one"):
        LocalTextTeacher(model(), tokenizer(), cache=tmp_path / "answers.jsonl")
