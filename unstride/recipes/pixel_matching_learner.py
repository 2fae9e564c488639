"""What PixPro and PixContrast share: losses of cells that show the same place, at every level."""

from abc import abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.losses.pixel_matching import matched_cells
from unstride.recipes.pixel_matching_options import PixelMatchingOptions
from unstride.recipes.pretraining_learner import (
    PretrainingLearner,
    TwoViewsOutput,
    target_spread,
)


class PixelMatchingLearner(PretrainingLearner):
    """Trains with a loss of matched cells of both views. A subclass defines `directed_loss`."""

    options: PixelMatchingOptions

    @abstractmethod
    def directed_loss(
        self,
        cells: Float[Tensor, "b c h w"],
        targets: Float[Tensor, "b c n"],
        is_match: Bool[Tensor, "b n n"],
    ) -> Tensor:
        """The loss of one view's cells against the target network's cells of the other view."""

    def monitored(self, cells: Float[Tensor, "b c h w"]) -> dict[str, Tensor]:
        """Monitors of a method's own, of the online cells of the first view."""
        return {}

    def losses(self, output: TwoViewsOutput) -> dict[str, Tensor]:
        """The sum of both directions, a mean over levels."""
        levels = [self._level_loss(output, stride) for stride in output.cells]
        return {"pixels": torch.stack(levels).mean()}

    def _level_loss(self, output: TwoViewsOutput, stride: int) -> Tensor:
        first, second = output.cells[stride]
        if self.options.permuted:
            second = type(second)(second.centres.roll(1, 0), second.diagonal.roll(1, 0))
        is_match = matched_cells(first, second, self.options.threshold, strict=self.options.strict)
        one, other = (p.cells[stride] for p in output.online)
        target_one, target_other = (p.cells[stride].flatten(2) for p in output.targets)
        self.monitor(
            lambda: (
                match_values(is_match)
                | {"target_spread": target_spread(target_one)}
                | self.monitored(one)
            )
        )
        return self.directed_loss(one, target_other, is_match) + self.directed_loss(
            other, target_one, is_match.mT
        )


@torch.no_grad()
def match_values(is_match: Bool[Tensor, "b n m"]) -> dict[str, Tensor]:
    """How many matches a cell has on average, and the share of image pairs without any."""
    return {
        "matches_per_cell": is_match.sum(2).float().mean(),
        "pairs_without_match": (~is_match.flatten(1).any(1)).float().mean(),
    }
