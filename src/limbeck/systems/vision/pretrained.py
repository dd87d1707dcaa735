"""Students that do not begin at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.systems.vision.models import Classifier, Shape


@dataclass(frozen=True)
class Pretrained(Shape):
    """A shape that begins with weights of another training; what these leave out begins at random.

    Args:
        weights: By their names in the network.
    """

    weights: Mapping[str, Tensor] = field(default_factory=dict, hash=False, compare=False)

    @classmethod
    def of(cls, shape: Shape, weights: Mapping[str, Tensor], *, leave: tuple[str, ...] = ()) -> Pretrained:
        """A shape with weights.

        Args:
            shape: Of the network.
            weights: By name.
            leave: Beginnings of names that are left out, such as ``("head.",)``.
        """
        kept = {name: value.detach().cpu().clone() for name, value in weights.items() if not name.startswith(leave)}
        return cls(shape.family, shape.widths, shape.depth, shape.patch, kept)

    def build(self, classes: int, size: int = 32) -> Classifier:
        """The network with its weights.

        Raises:
            LimbeckError: A weight has no place in it.
        """
        network = super().build(classes, size)
        unknown = network.load_state_dict(dict(self.weights), strict=False).unexpected_keys
        if unknown:
            raise LimbeckError(f"the network has no {', '.join(unknown)}")
        return network
