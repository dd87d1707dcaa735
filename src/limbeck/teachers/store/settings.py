"""What a store keeps of a teacher's outputs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from limbeck.settings import Settings

Keep = Literal["top-k", "nucleus", "sample", "full"]
Per = Literal["position", "token", "row"]
Positive = Annotated[int, Field(gt=0)]

_BELONGS = {"k": ("top-k", "nucleus"), "p": ("nucleus",), "draws": ("sample",), "proposal": ("sample",)}


class StoreSettings(Settings):
    """What a store keeps of a teacher's outputs, and how.

    Args:
        keep: What is kept at each counted position. ``"top-k"``: the ``k`` likeliest classes. ``"nucleus"``: of these
            the fewest that have the mass ``p`` together. ``"sample"``: classes drawn from the teacher's distribution.
            ``"full"``: all classes. ``"auto"``: ``"full"`` where a row has one distribution (classification), else
            ``"top-k"``.
        k: Classes a position at most, with ``"top-k"`` and ``"nucleus"``.
        p: The mass of a nucleus.
        draws: Draws a position with ``"sample"``, with replacement; the distinct classes are kept.
        proposal: Draws are made from ``q`` in proportion to ``probability ** proposal``, and weighted by
            ``probability / q``, the weights of a position summing to 1. With 1 the kept weights are an unbiased
            estimate of the probabilities; otherwise their bias shrinks as 1 / ``draws``.
        seed: Of the draws, which depend on it and on the row alone.
        dtype: Of the log-probabilities.
        hidden: Hidden states to keep (in fp16): names as in the teacher's signals, and whether one is kept a counted
            ``"position"`` or a ``"token"`` of the input, where ``attention_mask`` is true (both of
            ``(batch, tokens, width)``), or a ``"row"`` (one shape for all rows).
        seen: Keys of the batch whose content decides whether a row is still what the teacher saw. By default those of
            ``input_ids``, ``position_ids``, ``targets`` and ``labels`` that there are, or every tensor where there are
            no ``input_ids``.
        shard_megabytes: A shard is ended by the batch that makes it as large as this.
        chunk: Positions whose distributions are held in fp32 at once.

    Raises:
        LimbeckError: A key is unknown, a value is not possible, or one has no meaning with what is kept.

    Reference:
        Anshumann et al., "Sparse Logit Sampling: Accelerating Knowledge Distillation in LLMs", ACL 2025,
        arXiv 2503.16870 (``"sample"``).

    Example:
        >>> StoreSettings(keep="sample", k=5)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: StoreSettings: 'k' has no meaning with keep 'sample' (only with 'top-k', 'nucleus')
    """

    keep: Literal["auto", "top-k", "nucleus", "sample", "full"] = "auto"
    k: Positive = 64
    p: float = Field(default=0.95, gt=0, le=1)
    draws: Positive = 50
    proposal: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)
    dtype: Literal["fp16", "fp32"] = "fp16"
    hidden: dict[str, Per] = Field(default_factory=dict)
    seen: tuple[str, ...] = ()
    shard_megabytes: float = Field(default=256.0, gt=0)
    chunk: Positive = 256

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        for name, kinds in _BELONGS.items():
            if name in self.model_fields_set and self.keep != "auto" and self.keep not in kinds:
                possible = ", ".join(map(repr, kinds))
                raise ValueError(f"{name!r} has no meaning with keep {self.keep!r} (only with {possible})")
        return self

    def keep_of(self, counted: Per) -> Keep:
        """What ``keep`` comes to.

        Args:
            counted: Whether a distribution belongs to a ``"position"`` or to a ``"row"``.

        Example:
            >>> StoreSettings().keep_of("row"), StoreSettings(keep="sample").keep_of("row")
            ('full', 'sample')
        """
        if self.keep != "auto":
            return self.keep
        return "full" if counted == "row" else "top-k"

    def content(self) -> dict[str, object]:
        """The settings that decide what is kept; the others only say how it is written."""
        return self.model_dump(mode="json", exclude={"shard_megabytes", "chunk"})
