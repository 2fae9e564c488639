"""Fits FeatUp's implicit network to one image, with early stopping on held-out views."""

from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch.nn.utils import clip_grad_norm_

from unstride.features.implicit_objective import ImageFitCallback, MultiViewObjective

CHECK_INTERVAL = 20  # steps between two checks of the held-out views
IMPROVEMENT_RATIO = 0.995  # an error counts as better if it is below this share of the best so far


@dataclass
class FitRecord:
    """How a fit went; errors are mean squares over the held-out views.

    Args:
        explained_variance_ratio: share of the standardised features' variance in the components.
        bilinear_error: error of bilinear upsampling, averaged over each cell.
        error_curve: pairs of a step and the network's error after it.
    """

    explained_variance_ratio: float
    bilinear_error: float
    error_curve: list[tuple[int, float]] = field(default_factory=list)

    @property
    def best_error(self) -> float:
        """The lowest error of the curve: that of the network that is kept."""
        return min(error for _, error in self.error_curve)


def fit_network(objective: MultiViewObjective, on_progress: ImageFitCallback) -> FitRecord:
    """Fit the objective's network until the steps or the patience are used up.

    The network is left in the state with the lowest held-out error.

    Args:
        objective: of a new image.
        on_progress: called with "views" or "steps", how many are done, how many there are, and
            the held-out error relative to bilinear's (NaN for views).
    """
    objective.extract_view_features(on_progress)
    objective.build_modules()
    trainable, options = objective.trainable, objective.options
    record = FitRecord(objective.components.explained_variance_ratio, objective.bilinear_error())
    best_state = deepcopy(trainable.state_dict())
    record.error_curve.append((0, objective.held_out_error()))
    optimiser = torch.optim.NAdam(trainable.parameters(), lr=options.learning_rate)
    waited = 0
    for step in range(1, options.steps + 1):
        optimiser.zero_grad()
        objective.loss().backward()
        clip_grad_norm_(trainable.parameters(), 1.0)
        optimiser.step()
        if step % CHECK_INTERVAL and step < options.steps:
            continue
        lowest, error = record.best_error, objective.held_out_error()
        record.error_curve.append((step, error))
        on_progress("steps", step, options.steps, error / record.bilinear_error)
        if error < lowest:
            best_state = deepcopy(trainable.state_dict())
        waited = 0 if error < IMPROVEMENT_RATIO * lowest else waited + 1
        if waited == options.patience:
            break
    trainable.load_state_dict(best_state)
    return record
