"""The arms: one translator, and what pictures do for it."""

from __future__ import annotations

from dataclasses import dataclass

from limbeck.systems.findings import Role


@dataclass(frozen=True)
class Arm:
    """What is different about an arm.

    Args:
        title: What tables call it.
        role: The method, a baseline or an ablation.
        visual: The model's source of visual tokens (see :class:`~limbeck.models.ikd_mmt.configuration.IKDMMTConfig`).
        kd1: Whether KD-1 teaches it.
        kd2: Whether KD-2 teaches it.
        wrong_picture: Whether it is tested with other sentences' pictures; it then has no training of its own.
        description: What a reader should know.
    """

    title: str
    role: Role
    visual: str
    kd1: bool = False
    kd2: bool = False
    wrong_picture: bool = False
    description: str = ""


ARMS: dict[str, Arm] = {
    "text-only": Arm("text only", "baseline", "none", description="a Transformer without pictures"),
    "image-must": Arm("image-must", "baseline", "given", description="reads the real picture, also when it translates"),
    "imagination": Arm("Imagination", "baseline", "predicted", description="predicts the picture's pooled vector"),
    "ikd": Arm("IKD-MMT", "method", "generated", kd1=True, kd2=True, description="generates its visual features"),
    "ikd-without-kd1": Arm("IKD without KD-1", "ablation", "generated", kd2=True),
    "ikd-without-kd2": Arm("IKD without KD-2", "ablation", "generated", kd1=True),
    "ikd-without-both": Arm(
        "IKD without both", "ablation", "generated", description="the generator learns from translation alone"
    ),
    "image-wrong": Arm(
        "image-must, wrong picture",
        "ablation",
        "given",
        wrong_picture=True,
        description="image-must, translating with another sentence's picture",
    ),
}
"""Every arm by its name, in the order of tables."""
