"""How FeatUp's implicit network is fitted: what it says of an image agrees with every view of it.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516: multi-view consistency with a learned
uncertainty (section 3.1), the prior on the magnitude's total variation (3.2, weight 0.05) and
the downsamplers (3.3). The backbone looks at the image through many views, moved, zoomed and
flipped. A step draws some of them: the network's map of the image, seen through the same views
and taken down to the backbone's grid, should be what the backbone said of them.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.nn.utils import clip_grad_norm_

from unstride.backbones.padding import pad_image
from unstride.transforms.jitter import (random_jitters, apply_jitters,)
from unstride.losses.featup import UncertaintyHead, magnitude_tv_loss, gaussian_nll_loss
from unstride.features.components import PrincipalComponents
from unstride.features.implicit_options import ImplicitOptions
from unstride.upsamplers import FeatUpImplicit
from unstride.upsamplers.by_name import create_downsampler
from unstride.upsamplers.featup_implicit import coordinates_and_colours
from unstride.upsamplers.featup_downsample import gaussian_blur

PCA_VIEWS = 50  # views from which the components are found
CHECK_INTERVAL = 20  # steps between two looks at the views held out
IMPROVEMENT_RATIO = 0.995  # an error counts as better if it is below this share of the best so far
MAX_MAP_PIXELS = 1 << 16  # pixels of the network's map in a step
ImageFitCallback = Callable[[str, int, int, float], object]


@dataclass
class FitRecord:
    """How a fit went; errors are mean squares over the held-out views.

    Args:
        kept: share of the standardised features' variance that the components hold.
        bilinear: the error of bilinear upsampling, averaged over each cell.
        curve: steps done, and the network's error then.
    """

    kept: float
    bilinear: float
    curve: list[tuple[int, float]] = field(default_factory=list)

    @property
    def error(self) -> float:
        """Of the network that was kept: the lowest."""
        return min(error for _, error in self.curve)


class ImageFit:
    """All that takes part in the fit of one image; random numbers are torch's own.

    Args:
        backbone: in evaluation mode.
        image: RGB in [0, 1].
        recipe: how to fit.
        seed: of the views.
    """

    def __init__(self, backbone, image: Float[Tensor, "1 3 h w"], recipe: ImplicitOptions, seed: int):
        self.backbone, self.recipe, self.stride = backbone, recipe, backbone.stride
        size = (image.shape[2], image.shape[3])
        self.frame = backbone.padded_size(size)
        self.image = pad_image(image, self.frame)
        self.inputs = coordinates_and_colours(self.image, self.frame)
        self.step = map_step(self.stride, self.frame, recipe.fineness)
        self.views = random_jitters(
            recipe.views + recipe.held_out, size, self.frame, pad=recipe.pad * self.stride,
            zoom=(1.0, recipe.zoom), generator=torch.Generator().manual_seed(seed),
        ).to(image)  # fmt: skip

    def run(self, seen: ImageFitCallback) -> FitRecord:
        """Look through the views, then fit until the steps or the patience are used up."""
        self.look(seen)
        self.build()
        record, best = FitRecord(self.components.kept, self.error_of_bilinear()), self.state()
        record.curve.append((0, self.error()))
        optimiser = torch.optim.NAdam(self.learned.parameters(), lr=self.recipe.learning_rate)
        waited = 0
        for step in range(1, self.recipe.steps + 1):
            optimiser.zero_grad()
            self.loss().backward()
            clip_grad_norm_(self.learned.parameters(), 1.0)
            optimiser.step()
            if step % CHECK_INTERVAL and step < self.recipe.steps:
                continue
            lowest, error = record.error, self.error()
            record.curve.append((step, error))
            seen("steps", step, self.recipe.steps, error / record.bilinear)
            if error < lowest:
                best = self.state()
            waited = 0 if error < IMPROVEMENT_RATIO * lowest else waited + 1
            if waited == self.recipe.patience:
                break
        self.learned.load_state_dict(best)
        return record

    @torch.no_grad()
    def look(self, seen: ImageFitCallback) -> None:
        """What the backbone says of the image and of each view, and the components of that."""
        coarse, answers = self.answer(self.image), []
        for i in range(len(self.views)):
            view = apply_jitters(self.views[i : i + 1], self.image, self.frame)
            answers.append(self.answer(view.clamp(0, 1)))
            if i + 1 == min(PCA_VIEWS, len(self.views)):
                self.components = PrincipalComponents(torch.cat([coarse, *answers]), self.recipe.components)
                answers = [self.components(one) for one in answers]
            elif i >= PCA_VIEWS:
                answers[i] = self.components(answers[i])
            seen("views", i + 1, len(self.views), float("nan"))
        self.coarse, self.answers = self.components(coarse), torch.cat(answers)

    def answer(self, image: Tensor) -> Tensor:
        """The backbone's features; channels_last makes convolutions twice as fast on a CPU."""
        return self.backbone(image.contiguous(memory_format=torch.channels_last)).contiguous()

    def build(self) -> None:
        """The network, the downsampler and the uncertainty, at their start."""
        recipe, k = self.recipe, self.answers.shape[1]
        self.network = FeatUpImplicit(
            k, self.stride, highest=recipe.highest, dropout=recipe.dropout
        )
        if recipe.start == "bilinear":
            for parameter in self.network.network[-1].parameters():
                nn.init.zeros_(parameter)
        side = max(round(recipe.kernel * recipe.samples), 1)
        self.down = create_downsampler(recipe.downsampler, k, recipe.samples, kernel_size=side)
        self.doubt = UncertaintyHead(k)
        self.learned = nn.ModuleList([self.network, self.down, self.doubt]).to(self.image)

    def state(self) -> dict[str, Tensor]:
        """A copy of all that is learned."""
        return deepcopy(self.learned.state_dict())

    def loss(self) -> Tensor:
        """-log likelihood of some views under the network's map, and the priors on the map."""
        chosen = torch.randint(self.recipe.views, (self.recipe.drawn,))
        top, left = torch.randint(self.step, (2,)).tolist()
        fine, corner = self.render((top, left))
        answers = self.answers[chosen]
        loss = gaussian_nll_loss(
            self.expected(fine, corner, chosen), answers, self.doubt(answers)
        )
        loss = loss + self.recipe.smoothness * magnitude_tv_loss(fine)
        if self.recipe.pin:
            loss = loss + self.recipe.pin * (gaussian_blur(fine) - fine).square().mean()
        return loss

    def render(self, corner) -> tuple[Tensor, tuple[float, float]]:
        """The network's map at every `step`-th pixel, and where the first of them is."""
        if self.recipe.comb:
            inputs = self.inputs[:, :, corner[0] :: self.step, corner[1] :: self.step]
        else:
            inputs = avg_pool2d(self.inputs, self.step)
            corner = ((self.step - 1) / 2, (self.step - 1) / 2)
        fine = self.network.at(inputs)
        if self.recipe.start == "bilinear":
            fine = fine + self.bilinear(corner)
        return fine, corner

    def bilinear(self, corner) -> Float[Tensor, "1 k h w"]:
        """The backbone's features of the image at the same pixels."""
        rows, columns = (n // self.step for n in self.frame)
        top, left = (first + 0.5 - self.step / 2 for first in corner)
        whole = [[left, columns * self.step], [top, rows * self.step]]
        first = (self.stride - 1) / 2
        return apply_jitters(
            self.views.new_tensor([whole]), self.coarse, (rows, columns), frame=self.frame,
            step=self.stride, corner=(first, first),
        )  # fmt: skip

    def expected(self, fine: Tensor, corner, chosen: Tensor) -> Float[Tensor, "n k h w"]:
        """The map as the backbone should see it through some views."""
        grid = (self.answers.shape[2], self.answers.shape[3])
        samples = (self.recipe.samples * grid[0], self.recipe.samples * grid[1])
        seen = apply_jitters(
            self.views[chosen], fine, samples, frame=self.frame, step=self.step, corner=corner
        )
        return self.down(seen, grid)

    @torch.no_grad()
    def error(self) -> float:
        """Mean square over the views held out, without dropout."""
        self.learned.eval()
        middle = (self.step // 2, self.step // 2)
        error = self.error_of(*self.render(middle))
        self.learned.train()
        return error

    def error_of_bilinear(self) -> float:
        """The same, averaging each cell."""
        learned, self.down = (
            self.down,
            create_downsampler("blur", 1, self.recipe.samples, kernel_size=self.recipe.samples).to(
                self.image
            ),
        )
        middle = (self.step // 2, self.step // 2)
        with torch.no_grad():
            error = self.error_of(self.bilinear(middle), middle)
        self.down = learned
        return error

    def error_of(self, fine: Tensor, corner) -> float:
        """Of a map, on the views held out."""
        held = torch.arange(self.recipe.views, len(self.views))
        return (self.expected(fine, corner, held) - self.answers[held]).square().mean().item()


def map_step(stride: int, frame: tuple[int, int], fineness: int) -> int:
    """Pixels between neighbours of the map: what divides the stride, so that it fits the frame.

    The map has about `fineness` pixels to a cell, fewer where it would have more than MOST.
    """
    wanted = max(stride / fineness, (frame[0] * frame[1] / MAX_MAP_PIXELS) ** 0.5)
    return next((n for n in range(1, stride) if stride % n == 0 and n >= wanted), stride)
