"""Inversion knowledge distillation: an inverse network learns to give back what the vision network sees."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from limbeck.batch import Batch
from limbeck.losses.features import distance
from limbeck.losses.term import Term, empty_term
from limbeck.methods.base import Method, Needs
from limbeck.models.vision.maps import IMAGE, Grain, MapSpec, names_at
from limbeck.signals import Signals
from limbeck.teachers.vision import VisionTeacher


class InversionDistillation(Method):
    """KD-1 and KD-2 of IKD-MMT.

    - ``kd1/NAME``: distance between the generated map and the vision network's map of the real picture, for every map
      of the grain, the picture itself among them.
    - ``kd2/NAME``: distance between the vision network's map of the *generated* picture and its map of the real one.
      Gradients flow through the frozen network into the generated picture.

    All maps are standardised a channel (see :class:`~limbeck.teachers.vision.VisionTeacher`), so distances of
    different maps are on one scale. The released code divides norms by the number of elements instead; by the
    tensors' shapes that leaves the distillation terms some seven orders of magnitude below the translation loss.

    Args:
        maps: The vision network's maps, from the image up.
        critic: The vision network itself, for KD-2; where there are only stored features, ``None``.
        grain: Which maps are compared: ``"model"`` (the picture and the top map), ``"block"`` (every stage too) or
            ``"layer"`` (every layer too).
        distance_name: ``"l2"``, ``"l1"``, ``"linf"``, ``"kl"`` or ``"cosine"``.
        kd1: Weight of the KD-1 terms; 0 leaves them out.
        kd2: Weight of the KD-2 terms; 0 leaves them out.

    Raises:
        ValueError: If the grain or the distance is unknown, a weight is negative, or KD-2 has nothing to run on.

    Reference:
        Peng et al., "Distill the Image to Nowhere", EMNLP 2022, arXiv 2210.04468.
    """

    def __init__(
        self,
        maps: Sequence[MapSpec],
        critic: VisionTeacher | None,
        *,
        grain: Grain = "model",
        distance_name: str = "l2",
        kd1: float = 1.0,
        kd2: float = 1.0,
    ) -> None:
        super().__init__()
        if kd1 < 0 or kd2 < 0:
            raise ValueError(f"kd1 and kd2 must not be negative, got {kd1} and {kd2}")
        names = names_at(maps, grain)
        if kd2 and (critic is None or IMAGE not in names):
            raise ValueError("KD-2 needs pictures and the vision network; with stored features only, set kd2 to 0")
        self.distance = distance(distance_name)
        self.critic = critic
        self.kd1_names = names if kd1 else ()
        self.kd2_names = tuple(name for name in names if name != IMAGE) if kd2 else ()
        self.weights = {f"kd1/{name}": kd1 for name in self.kd1_names}
        self.weights |= {f"kd2/{name}": kd2 for name in self.kd2_names}
        generated = dict.fromkeys((*self.kd1_names, *((IMAGE,) if kd2 else ())))
        self.needs = Needs(
            student_hidden=tuple(generated),
            teacher_hidden=tuple(dict.fromkeys((*self.kd1_names, *self.kd2_names))),
        )

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """The terms, each a sum over the pictures of the batch.

        Args:
            student: Generated maps. There may be fewer of the lower maps than of the top map (they cost more): then
                they belong to the batch's first pictures.
            teacher: The real pictures' standardised maps, ``(pictures, channels, height, width)``.
            batch: Not read.
        """
        terms = {}
        for name in self.kd1_names:
            terms[f"kd1/{name}"] = self._term(student.hidden[name], teacher.hidden[name])
        if self.kd2_names and self.critic is not None:
            picture = student.hidden[IMAGE]
            seen = self.critic.maps_of(picture, self.kd2_names) if len(picture) else {}
            for name in self.kd2_names:
                terms[f"kd2/{name}"] = self._term(seen.get(name, picture), teacher.hidden[name])
        return terms

    def _term(self, generated: Tensor, real: Tensor) -> Term:
        if not len(generated):
            return empty_term(generated)
        return Term.over(self.distance(generated, real[: len(generated)].to(generated.dtype)))
