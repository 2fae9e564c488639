"""Scales the gradient that one loss sends into a prediction, relative to all others."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.precision import upcast_half

DECAY = 0.9  # of the running mean over steps


class GradientBalance(nn.Module):
    """Passes predictions on to a loss, and scales the gradient that comes back.

    The scale follows the norms of the two gradients at the predictions, so that the scaled one is
    `ratio` times that of the other losses. Both are measured in the ordinary backward pass. The
    loss's own parameters get its full gradient.

    Args:
        ratio: wanted ratio of the norms. None: the scale is `weight`.
        weight: scale without a wanted ratio.

    Attributes:
        log_quotient: running mean over steps of the logarithm of the other losses' norm over that
            of the loss; NaN before the first step.
        measured_ratio: ratio of the norms in the last backward pass, with the scale.
    """

    log_quotient: Tensor
    measured_ratio: Tensor

    def __init__(self, ratio: float | None = 0.1, weight: float = 1.0):
        super().__init__()
        self.ratio, self.weight = ratio, weight
        self.register_buffer("log_quotient", torch.tensor(torch.nan))
        self.register_buffer("measured_ratio", torch.tensor(torch.nan), persistent=False)
        self._awaited = 0  # gradients of this backward pass that are still to come
        self._squares = (torch.zeros(()), torch.zeros(()))  # of the other losses' and the loss's

    def scale(self) -> Float[Tensor, ""]:
        """The factor of the gradient; 0 while a ratio is wanted and nothing was measured."""
        if self.ratio is None:
            return torch.full_like(self.log_quotient, self.weight)
        return (self.ratio * self.log_quotient.exp()).nan_to_num(0.0)

    def forward(self, predictions: Mapping[str, Tensor], warm_in: float = 1.0) -> dict[str, Tensor]:
        """The same predictions, whose gradients are scaled and measured.

        Args:
            predictions: tensors that the other losses take too.
            warm_in: further factor of the scale, 0 to 1.
        """
        scale = warm_in * self.scale()
        tracked = {name: p for name, p in predictions.items() if p.requires_grad}
        zero = torch.zeros_like(self.log_quotient)
        self._awaited, self._squares = len(tracked), (zero, zero)
        return {
            name: self._watched(p, scale) if name in tracked else p
            for name, p in predictions.items()
        }

    def _watched(self, prediction: Tensor, scale: Tensor) -> Tensor:
        received: list[Tensor] = []  # the loss's gradient, until the sum of all gradients is there

        def measure(total: Tensor) -> None:
            if received:  # otherwise the loss was not part of what is minimised
                unscaled = upcast_half(received.pop())
                others = upcast_half(total) - scale * unscaled
                self._record(others.square().sum(), unscaled.square().sum(), scale)

        prediction.register_hook(measure)
        return _ScaledGradient.apply(prediction, scale, received)

    @torch.no_grad()
    def _record(self, others: Tensor, loss: Tensor, scale: Tensor) -> None:
        """Add squared norms; the last prediction of a backward pass moves the running mean."""
        self._squares = self._squares[0] + others, self._squares[1] + loss
        self._awaited -= 1
        if self._awaited:
            return
        others, loss = (square.sqrt() for square in self._squares)
        self.measured_ratio.copy_(scale * loss / others)
        quotient = (others / loss).log()
        mean = torch.where(
            self.log_quotient.isnan(),
            quotient,
            DECAY * self.log_quotient + (1 - DECAY) * quotient,
        )
        self.log_quotient.copy_(torch.where(quotient.isfinite(), mean, self.log_quotient))


class _ScaledGradient(torch.autograd.Function):
    """The identity, whose gradient is kept in a list and scaled."""

    @staticmethod
    def forward(ctx, tensor, scale, received):
        ctx.scale, ctx.received = scale, received
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx, gradient):
        ctx.received.append(gradient)
        return (ctx.scale * gradient).to(gradient.dtype), None, None
