"""Scores of untrained networks: which will learn best, told without training any. Higher is better.

Networks are classifiers that give logits; what is random in them is their first weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.losses.relations import similarity_preserving
from limbeck.signals import tap


def diswot_terms(
    student: nn.Module,
    teacher: nn.Module,
    pixels: Float[Tensor, "b *shape"],
    labels: Int[Tensor, " b"],
    *,
    maps: str,
    head: str,
) -> tuple[float, float]:
    """DisWOT: how much an untrained student's reaction to a batch is like an untrained teacher's, in two respects.

    Both are ``-|A_T - A_S|_F^2 / size`` of matrices of products whose rows have length 1. Semantics: products of the
    classes' gradients of the cross-entropy, in the weight of the head. Relations: products of the items' maps before
    the pooling. Widths may differ.

    Args:
        student: An untrained network, whose mode is left as it is.
        teacher: Another.
        pixels: One batch.
        labels: Its classes.
        maps: Path of the module that gives the last maps, in both.
        head: Path of the linear head, in both.

    Returns:
        Semantics and relations; the score is their sum. Each is 0 at most, for a student that reacts as the teacher.

    Reference:
        Dong, Li and Wei, "DisWOT: Student Architecture Search for Distillation WithOut Training", CVPR 2023,
        arXiv 2303.15678.
    """
    sides = []
    for network in (student, teacher):
        weight = network.get_submodule(head).weight
        assert isinstance(weight, Tensor)
        with torch.enable_grad(), tap(network, [maps]) as hidden:
            (slope,) = torch.autograd.grad(F.cross_entropy(network(pixels), labels), weight)
        sides.append((slope, hidden[maps].detach().flatten(1)))
    (our_slope, our_maps), (their_slope, their_maps) = sides
    semantic = similarity_preserving(our_slope, their_slope).mean()
    return -float(semantic), -float(similarity_preserving(our_maps, their_maps).mean())


@torch.no_grad()
def naswot(network: nn.Module, pixels: Float[Tensor, "b *shape"]) -> float:
    """Log-determinant of how many rectifiers agree on each pair of items: high where each switches its own.

    Args:
        network: Has modules that are `torch.nn.ReLU`.
        pixels: One batch.

    Reference:
        Mellor et al., "Neural Architecture Search without Training", ICML 2021, arXiv 2006.04647.
    """
    kernel = torch.zeros(len(pixels), len(pixels), dtype=torch.float64, device=pixels.device)

    def count(_module: nn.Module, _given: tuple[Tensor, ...], gave: Tensor) -> None:
        on = (gave > 0).flatten(1).to(kernel.dtype)
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    handles = [one.register_forward_hook(count) for one in network.modules() if isinstance(one, nn.ReLU)]
    try:
        network(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return float(torch.linalg.slogdet(kernel).logabsdet)


def synflow(network: nn.Module, pixels: Float[Tensor, "b *shape"]) -> float:
    """Logarithm of ``sum |w dR/dw|``, R the sum of what the network gives for ones when all its weights are positive.

    The network is left as it was.

    Args:
        network: Any.
        pixels: Of which the shape alone counts.

    Reference:
        Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS
        2020, arXiv 2006.05467.
    """
    from torch.func import functional_call

    was_training = network.training
    network.eval()
    positive = {name: value.detach().double().abs().requires_grad_() for name, value in network.named_parameters()}
    buffers = {name: value.double() if value.is_floating_point() else value for name, value in network.named_buffers()}
    with torch.enable_grad():
        gave = functional_call(network, positive | buffers, (torch.ones_like(pixels[:1]).double(),)).sum()
        slopes = torch.autograd.grad(gave, list(positive.values()), allow_unused=True)
    network.train(was_training)
    flow = sum(
        (value * slope).abs().sum() for value, slope in zip(positive.values(), slopes, strict=True) if slope is not None
    )
    return float(torch.as_tensor(flow).detach().log())
