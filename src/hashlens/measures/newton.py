"""Newton's method with conjugate gradients, for one problem or many at the same time."""

import torch

from hashlens.measures.logistic_loss import Evaluation, LogisticLoss

NEWTON_STEPS = 50
GRADIENT_STEPS = 250
# Relative change of the loss below which an increase may be rounding.
ROUNDING = 1e-12


class Preconditioner:
    """Inverse of 1 + mean curvature * Gram matrix, from one eigendecomposition for all steps and scores."""

    def __init__(self, loss: LogisticLoss) -> None:
        self._values, self._vectors = loss.gram()
        self._loss = loss
        self._scale = torch.empty(0)

    def update(self, at: Evaluation) -> None:
        """Set the mean curvature to that of `at`."""
        self._scale = 1 / (1 + self._loss.mean_curvature(at).float()[:, None] * self._values)

    def apply(self, residual: torch.Tensor) -> torch.Tensor:
        """Return the inverse times a residual, float64 ``(m, d + 1)``."""
        if self._vectors is None:
            return self._scale.double() * residual
        return ((self._scale * (residual.float() @ self._vectors)) @ self._vectors.T).double()


def minimise(loss: LogisticLoss, tolerance: float) -> tuple[torch.Tensor, int]:
    """Minimise from zero until the decrement ``g . inverse(H) g`` of every problem is at most `tolerance`.

    Returns
    -------
    weights : torch.Tensor
        float64 ``(m, d + 1)``.
    steps : int
        Newton steps taken.

    References
    ----------
    Nocedal, Wright (2006): Numerical optimization, 2nd edition, algorithm 7.1.
    """
    weights = torch.zeros(loss.shape, dtype=torch.float64)
    preconditioner = Preconditioner(loss)
    evaluation = loss.evaluate(weights)
    steps = 0
    while steps < NEWTON_STEPS:
        steps += 1
        preconditioner.update(evaluation)
        direction = conjugate_gradients(loss, evaluation, preconditioner, tolerance / 10)
        decrement = -loss.sum(evaluation.gradient * direction)
        weights, evaluation = line_search(loss, weights, direction, evaluation, decrement)
        if bool((decrement <= tolerance).all()):
            break
    return weights, steps


def conjugate_gradients(
    loss: LogisticLoss, at: Evaluation, preconditioner: Preconditioner, floor: float
) -> torch.Tensor:
    """Return about ``-inverse(H) g``; a problem stops when its squared residual falls tenfold or below `floor`."""
    direction = torch.zeros_like(at.gradient)
    residual = -at.gradient
    search = preconditioner.apply(residual)
    size = loss.sum(residual * search)
    target = (size / 10).clamp(min=floor)
    for _ in range(GRADIENT_STEPS):
        active = size > target
        if not active.any():
            break
        product = loss.hessian_product(at, search)
        step = torch.where(active, size / loss.sum(search * product).clamp(min=1e-300), 0)
        direction += step * search
        residual -= step * product
        conditioned = preconditioner.apply(residual)
        previous, size = size, loss.sum(residual * conditioned)
        search = conditioned + torch.where(active, size / previous.clamp(min=1e-300), 0) * search
    return direction


def line_search(
    loss: LogisticLoss, weights: torch.Tensor, direction: torch.Tensor, at: Evaluation, decrement: torch.Tensor
) -> tuple[torch.Tensor, Evaluation]:
    """Halve the step of each problem until its loss decreases, up to rounding."""
    step = torch.ones_like(decrement)
    for _ in range(20):
        moved = weights + step * direction
        now = loss.evaluate(moved)
        rises = now.value > at.value - 1e-4 * step * decrement + ROUNDING * at.value.abs()
        if not rises.any():
            break
        step = torch.where(rises, step / 2, step)
    return moved, now
