"""Self-distillation of kernel ridge regression: every step, the limit and the best weight in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def gaussian_kernel(a: Array, b: Array, gamma: float) -> Array:
    """``exp(-gamma (a_i - b_j)^2)`` of points on a line, ``(len(a), len(b))``."""
    return np.asarray(np.exp(-gamma * (a[:, None] - b[None, :]) ** 2))


class KernelSelfDistiller:
    """Kernel ridge regression that is fitted again to its own predictions, mixed with the ground truth.

    With the kernel matrix ``K = V diag(d) V^T`` and ``S = K (K + lambda I)^-1``, step ``t`` fits
    ``a y + (1 - a) y_{t-1}``, where ``y_0 = y`` and ``y_t = S (a y + (1 - a) y_{t-1})``. Along an eigenvector this is
    ``b_t = s ((1 - a) b_{t-1} + a)`` with ``s = d / (d + lambda)`` and ``b_0 = 1``; its limit ``a d / (a d + lambda)``
    is a ridge regression with penalty ``lambda / a``, and 0 for ``a = 0``.

    Args:
        x: Places of the examples, ``(examples,)``.
        y: Their values, ``(examples,)``.
        gamma: Of the Gaussian kernel.
        ridge: The penalty lambda, greater than 0.

    Raises:
        ValueError: The penalty is not positive, or places and values differ in number.

    Reference:
        Borup and Andersen, "Even your Teacher Needs Guidance: Ground-Truth Targets Dampen Regularization Imposed by
        Self-Distillation", NeurIPS 2021, arXiv 2102.13088.

    Example:
        >>> x = np.linspace(0, 1, 5)
        >>> model = KernelSelfDistiller(x, np.sin(x), gamma=10.0, ridge=0.1)
        >>> far, limit = model.predict(x, 200, 0.5), model.predict(x, None, 0.5)
        >>> bool(np.allclose(far, limit))
        True
    """

    def __init__(self, x: Array, y: Array, *, gamma: float, ridge: float) -> None:
        if ridge <= 0:
            raise ValueError(f"ridge must be positive, got {ridge}")
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(f"x and y must have one shape (examples,); got {x.shape} and {y.shape}")
        self.x, self.y, self.gamma, self.ridge = x, y, gamma, ridge
        self._values, self._vectors = np.linalg.eigh(gaussian_kernel(x, x, gamma))
        # Of a kernel matrix no eigenvalue is negative but by rounding.
        self._values = self._values.clip(min=0.0)

    def fit(self, targets: Array, at: Array) -> Array:
        """Fit the examples with other targets, and predict.

        Args:
            targets: ``(examples,)``.
            at: Where to predict, ``(points,)``.
        """
        coefficients = self._vectors @ ((self._vectors.T @ targets) / (self._values + self.ridge))
        return np.asarray(gaussian_kernel(at, self.x, self.gamma) @ coefficients)

    def iterate(self, at: Array, weights: list[float]) -> Array:
        """Fit step after step, as it is defined: what the closed form must equal.

        Args:
            at: Where to predict, ``(points,)``.
            weights: The weight of the ground truth at each step.

        Returns:
            The last step's predictions.
        """
        previous = targets = self.y
        for weight in weights:
            targets = weight * self.y + (1 - weight) * previous
            previous = self.fit(targets, self.x)
        return self.fit(targets, at)

    def predict(self, at: Array, step: int | None, weight: float) -> Array:
        """The predictions of a step in closed form.

        Args:
            at: Where to predict, ``(points,)``.
            step: From 1; None is the limit.
            weight: Of the ground truth, in ``[0, 1]``, at every step.
        """
        shrink = self._values / (self._values + self.ridge)
        if step is None:
            kept = weight * self._values / (weight * self._values + self.ridge)
            mixed = weight + (1 - weight) * kept
        else:
            # The targets of step t are a y + (1 - a) y_{t-1}; a geometric sum says what is left of y in y_{t-1}.
            ratio = (1 - weight) * shrink
            power = ratio ** (step - 1)
            kept = power + weight * shrink * (1 - power) / (1 - ratio)
            mixed = weight + (1 - weight) * kept
        return self.fit(self._vectors @ (mixed * (self._vectors.T @ self.y)), at)


def best_weight(truth: Array, of_truth: Array, of_previous: Array, *, clip: bool = True) -> float:
    """The weight of the ground truth that makes the squared error on held-out data least.

    Predictions are linear in it: ``p(a) = a u + (1 - a) w``, so ``a* = <truth - w, u - w> / |u - w|^2``.

    Args:
        truth: Held-out values.
        of_truth: Predictions u of a model that was fitted to the ground truth.
        of_previous: Predictions w of one that was fitted to the previous step's predictions.
        clip: Keep it in ``[0, 1]``.

    Returns:
        The weight; 1 where the two models say the same.

    Example:
        >>> best_weight(np.array([1.0, 2.0]), np.array([2.0, 4.0]), np.zeros(2))
        0.5
    """
    difference = of_truth - of_previous
    square = float(difference @ difference)
    weight = float((truth - of_previous) @ difference) / square if square > 0 else 1.0
    return min(max(weight, 0.0), 1.0) if clip else weight
