"""A language model taken apart: what makes its last hidden states, and the linear layer that makes logits of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.models.adaptors import without_adaptors
from limbeck.signals import LinearLogits

LOGITS = 20.0
"""The size of the logits that a head is tried with: large enough for a cap to show."""


@dataclass(frozen=True)
class Head:
    """A causal language model whose logits need not be made; calling it gives hidden states and head.

    It is no module: the parameters stay those of the model.

    Args:
        body: Gives the last hidden states.
        linear: Projects them.
        scale: See :class:`~limbeck.signals.LinearLogits`, and so are the other arguments.
        softcap: Likewise.
        chunk: Likewise.
    """

    body: nn.Module
    linear: nn.Linear
    scale: float = 1.0
    softcap: float | None = None
    chunk: int | None = None

    def __call__(self, **inputs: Any) -> LinearLogits:
        """Run the body on the model's own inputs."""
        return self.over(self.body(**inputs).last_hidden_state)

    def over(self, hidden: Tensor) -> LinearLogits:
        """The head over hidden states."""
        weight, bias = self.linear.weight, self.linear.bias
        return LinearLogits(hidden, weight, bias, scale=self.scale, softcap=self.softcap, chunk=self.chunk)


@torch.no_grad()
def take_apart(model: Any, name: str, chunk: int | None = None) -> Head:
    """Find a model's body and head, and try whether together they say what the model says.

    The model is run on a few tokens with large random states in place of its own, so that nothing that it does after
    the head, such as a scale or a cap, stays unseen.

    Args:
        model: A causal language model of `transformers`, perhaps under adaptors.
        name: For the message.
        chunk: Positions that a loss shall project at a time.

    Raises:
        LimbeckError: Its logits are made in another way.

    Example:
        >>> from transformers import GPT2Config, GPT2LMHeadModel
        >>> model = GPT2LMHeadModel(GPT2Config(n_embd=4, n_head=1, n_layer=1, vocab_size=9))
        >>> take_apart(model, "GPT").over(torch.zeros(1, 3, 4)).shape
        torch.Size([1, 3, 9])
    """
    bare = without_adaptors(model)
    refusal = LimbeckError(f"{name}: the logits of a {type(bare).__name__} are not those of a linear layer alone")
    body, linear = bare.get_decoder(), bare.get_output_embeddings()
    # No subclasses and no adaptors: theirs may be linear today and something else after a step.
    if type(linear) is not nn.Linear or body is bare:
        raise refusal
    ids = torch.arange(4, device=bare.device)[None] % len(linear.weight)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(1, 4, linear.in_features, generator=generator).to(linear.weight)
    drawn *= LOGITS / nn.functional.linear(drawn, linear.weight).std()
    own: list[Tensor] = []

    def exchange(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        own.append(output.last_hidden_state)
        output.last_hidden_state = drawn
        return output

    was_training = bare.training
    bare.eval()
    handle = body.register_forward_hook(exchange)
    try:
        said = bare(input_ids=ids, use_cache=False).logits
        handle.remove()
        alone = body(input_ids=ids, use_cache=False).last_hidden_state
    except (AttributeError, TypeError, RuntimeError):
        raise refusal from None
    finally:
        handle.remove()
        bare.train(was_training)
    projected = nn.functional.linear(drawn, linear.weight, linear.bias)
    softcap = getattr(bare.config.get_text_config(), "final_logit_softcapping", None)
    scale = 1.0 if softcap or said.shape != projected.shape else _ratio(said, projected)
    found = Head(body, linear, scale, softcap or None, chunk)
    if len(own) != 1 or not _alike(own[0], alone) or not _alike(found.over(drawn).dense(), said):
        raise refusal
    return found


def _ratio(said: Tensor, projected: Tensor) -> float:
    """Of two multiples of each other; rounding apart, 1 is 1."""
    one, other = said.double().flatten(), projected.double().flatten()
    ratio = float(one @ other / (other @ other))
    return 1.0 if abs(ratio - 1.0) < 1e-5 else ratio


def _alike(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and bool((first - second).abs().max() <= 1e-4 * second.abs().max())
