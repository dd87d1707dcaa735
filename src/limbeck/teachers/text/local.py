"""A text teacher on this machine: a causal language model of `transformers`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.models.generation import continuations, ended
from limbeck.models.pretrained import load_pretrained
from limbeck.teachers.text.base import Answer, Prompt, TextSettings, messages_of
from limbeck.teachers.text.cache import AnswerCache, answer_key

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class LocalTextTeacher:
    """A causal language model that answers in text.

    A tokenizer with a chat template puts prompts into it; one without continues a text as it is, and refuses
    conversations.

    Args:
        model: A model with ``generate``.
        tokenizer: Its tokenizer.
        name: What the model is called in the cache's keys; by default where it was loaded from.
        batch_size: Prompts that are answered together.
        cache: A file of answers; None keeps none.

    Raises:
        LimbeckError: The tokenizer has neither a token for padding nor one for the end, or the model has no name.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str | None = None,
        batch_size: int = 8,
        cache: str | Path | None = None,
    ) -> None:
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size
        self.name = name or str(getattr(model, "name_or_path", ""))
        if cache is not None and not self.name:
            raise LimbeckError("name: a model that was not loaded needs one, by which its answers are known")
        self.end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
        self.pad = self.end if pad is None else pad
        if self.pad is None:
            raise LimbeckError("tokenizer: it has neither a token for padding nor one for the end")
        self.cache = None if cache is None else AnswerCache(cache)

    @classmethod
    def load(
        cls, path: str, *, device: str = "cpu", batch_size: int = 8, cache: str | Path | None = None
    ) -> LocalTextTeacher:
        """Load model (safetensors only) and tokenizer from a folder or the hub.

        Raises:
            LimbeckError: They cannot be loaded.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = load_pretrained(AutoTokenizer, path)
        model = load_pretrained(AutoModelForCausalLM, path)
        return cls(model.to(device), tokenizer, name=path, batch_size=batch_size, cache=cache)

    def complete(self, prompts: Sequence[Prompt], settings: TextSettings | None = None) -> list[Answer]:
        """Answer prompts, in their order; one that is there twice is answered once.

        Args:
            prompts: Texts or conversations.
            settings: How answers are sampled. What is drawn also depends on which prompts are answered together.

        Raises:
            LimbeckError: A conversation, and the tokenizer has no chat template; or a prompt without a token.
        """
        sampling = settings or TextSettings()
        keys = [answer_key(self.name, messages_of(prompt), sampling) for prompt in prompts]
        found = {key: answer for key in keys if self.cache and (answer := self.cache.find(key)) is not None}
        todo = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in found}
        # Those of like length together, so that little is padded.
        texts = sorted(((self._tokens(prompt), key) for key, prompt in todo.items()), key=lambda item: len(item[0]))
        for start in range(0, len(texts), self.batch_size):
            part = texts[start : start + self.batch_size]
            for (_, key), answer in zip(part, self._generate([ids for ids, _ in part], sampling), strict=True):
                if self.cache is not None:
                    self.cache.keep(key, answer)
                found[key] = answer
        return [found[key] for key in keys]

    def close(self) -> None:
        """Close the cache."""
        if self.cache is not None:
            self.cache.close()

    def _tokens(self, prompt: Prompt) -> list[int]:
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(messages_of(prompt), tokenize=False, add_generation_prompt=True)
            ids = self.tokenizer(str(text), add_special_tokens=False).input_ids
        elif isinstance(prompt, str):
            ids = self.tokenizer(prompt).input_ids
        else:
            raise LimbeckError(f"{self.name}: the tokenizer has no chat template, which a conversation needs")
        if not ids:
            raise LimbeckError(f"{self.name}: the prompt {prompt!r} has no token")
        return list(ids)

    def _generate(self, prompts: Sequence[list[int]], sampling: TextSettings) -> list[Answer]:
        how: dict[str, Any] = {"max_new_tokens": sampling.max_tokens}
        if sampling.temperature:
            how |= {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.stop:
            how["stopping_criteria"] = [self._stopper(max(map(len, prompts)), sampling.stop)]
        lines = continuations(self.model, prompts, pad=self.pad, seed=sampling.seed, **how)
        return [self._answer(len(ids), line, sampling) for ids, line in zip(prompts, lines, strict=True)]

    def _stopper(self, width: int, stop: Sequence[str]) -> Callable[..., Tensor]:
        """Says of each row whether its last tokens have a text that ends an answer."""
        # A token has a character at least, but for those that are not shown.
        tail = max(len(word.encode()) for word in stop) + 8

        def stopped(input_ids: Tensor, _scores: Tensor, **_more: Any) -> Tensor:
            texts = [self.tokenizer.decode(row[width:][-tail:], skip_special_tokens=True) for row in input_ids]
            return torch.tensor([any(word in text for word in stop) for text in texts], device=input_ids.device)

        return stopped

    def _answer(self, prompt: int, line: list[int], sampling: TextSettings) -> Answer:
        configured = self.model.generation_config.eos_token_id if self.model.generation_config else None
        ends = {self.end, *(configured if isinstance(configured, list) else [configured])} - {None}
        line = ended(line, ends)
        stopped = bool(line) and line[-1] in ends
        kept = line[:-1] if stopped else line
        text = str(self.tokenizer.decode(kept, skip_special_tokens=True))
        cut = min((at for word in sampling.stop if (at := text.find(word)) >= 0), default=None)
        finish = "length" if not stopped and cut is None else "stop"
        return Answer(text[:cut], finish, prompt, len(line))
