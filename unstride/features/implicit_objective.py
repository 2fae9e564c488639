"""The loss by which FeatUp's implicit network is fitted: agreement with many views of an image.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516: multi-view consistency with a learned
uncertainty (section 3.1), the prior on the magnitude's total variation (3.2, weight 0.05) and
the downsamplers (3.3). The backbone extracts features of many views of the image: moved, zoomed
and flipped. Each step draws some views. The network's map of the image, seen through the same
views and downsampled to the backbone's grid, should equal the backbone's features of the views.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from unstride.backbones.padding import pad_image
from unstride.features.components import PrincipalComponents
from unstride.features.implicit_options import ImplicitOptions
from unstride.losses.featup import UncertaintyHead, gaussian_nll_loss, magnitude_tv_loss
from unstride.transforms.jitter import apply_jitters, random_jitters
from unstride.upsamplers import FeatUpImplicit
from unstride.upsamplers.by_name import create_downsampler
from unstride.upsamplers.featup_downsample import gaussian_blur
from unstride.upsamplers.featup_implicit import coordinates_and_colours

PCA_VIEWS = 50  # views from which the components are computed
MAX_MAP_PIXELS = 1 << 16  # pixels of the network's map in a step

ImageFitCallback = Callable[[str, int, int, float], object]
Offset = tuple[float, float]  # row and column of a map's first sample, in pixels of the image


class MultiViewObjective:
    """The multi-view loss of one image's network, and its error on held-out views.

    Random numbers come from torch's global generator, except for the views.

    Args:
        backbone: in evaluation mode.
        image: RGB in [0, 1].
        options: how to fit.
        seed: seed of the views.
    """

    def __init__(
        self, backbone, image: Float[Tensor, "1 3 h w"], options: ImplicitOptions, seed: int
    ):
        self.backbone, self.options, self.stride = backbone, options, backbone.stride
        size = (image.shape[2], image.shape[3])
        self.padded_size = backbone.padded_size(size)
        self.image = pad_image(image, self.padded_size)
        self.inputs = coordinates_and_colours(self.image, self.padded_size)
        self.map_step = map_step(self.stride, self.padded_size, options.pixels_per_cell)
        self.views = random_jitters(
            options.views + options.held_out, size, self.padded_size,
            pad=options.pad * self.stride, zoom=(1.0, options.zoom),
            generator=torch.Generator().manual_seed(seed),
        ).to(image)  # fmt: skip

    @torch.no_grad()
    def extract_view_features(self, on_progress: ImageFitCallback) -> None:
        """Run the backbone on the image and each view; compute and apply their components."""
        image_features, features = self.backbone_features(self.image), []
        for i in range(len(self.views)):
            view = apply_jitters(self.views[i : i + 1], self.image, self.padded_size)
            features.append(self.backbone_features(view.clamp(0, 1)))
            if i + 1 == min(PCA_VIEWS, len(self.views)):
                self.components = PrincipalComponents(
                    torch.cat([image_features, *features]), self.options.components
                )
                features = [self.components(one_view) for one_view in features]
            elif i >= PCA_VIEWS:
                features[i] = self.components(features[i])
            on_progress("views", i + 1, len(self.views), float("nan"))
        self.image_features = self.components(image_features)
        self.view_features = torch.cat(features)

    def backbone_features(self, image: Tensor) -> Tensor:
        """The backbone's features; channels_last makes convolutions twice as fast on a CPU."""
        return self.backbone(image.contiguous(memory_format=torch.channels_last)).contiguous()

    def build_modules(self) -> None:
        """Create the network, the downsampler and the uncertainty head, untrained."""
        options, channels = self.options, self.view_features.shape[1]
        self.network = FeatUpImplicit(
            channels, self.stride, highest=options.max_log_frequency, dropout=options.dropout
        )
        if options.base == "bilinear":
            for parameter in self.network.network[-1].parameters():
                nn.init.zeros_(parameter)
        side = max(round(options.kernel_cells * options.samples), 1)
        self.downsampler = create_downsampler(
            options.downsampler, channels, options.samples, kernel_size=side
        )
        self.uncertainty = UncertaintyHead(channels)
        self.trainable = nn.ModuleList([self.network, self.downsampler, self.uncertainty])
        self.trainable.to(self.image)

    def loss(self) -> Tensor:
        """Negative log likelihood of some views under the network's map, plus priors on the map."""
        view_indices = torch.randint(self.options.views, (self.options.views_per_step,))
        top, left = torch.randint(self.map_step, (2,)).tolist()
        fine, offset = self.render((top, left))
        target = self.view_features[view_indices]
        loss = gaussian_nll_loss(
            self.predicted_views(fine, offset, view_indices, self.downsampler),
            target,
            self.uncertainty(target),
        )
        loss = loss + self.options.smoothness * magnitude_tv_loss(fine)
        if self.options.blur_weight:
            blur_error = (gaussian_blur(fine) - fine).square().mean()
            loss = loss + self.options.blur_weight * blur_error
        return loss

    def render(self, offset: tuple[int, int]) -> tuple[Tensor, Offset]:
        """The network's map at every `map_step`-th pixel, and the position of its first sample."""
        position: Offset = offset
        if self.options.sample_pixels:
            inputs = self.inputs[:, :, offset[0] :: self.map_step, offset[1] :: self.map_step]
        else:
            inputs = avg_pool2d(self.inputs, self.map_step)
            position = ((self.map_step - 1) / 2, (self.map_step - 1) / 2)
        fine = self.network.query(inputs)
        if self.options.base == "bilinear":
            fine = fine + self.bilinear_map(position)
        return fine, position

    def bilinear_map(self, offset: Offset) -> Float[Tensor, "1 k h w"]:
        """The backbone's features of the image, upsampled bilinearly to the same pixels."""
        rows, columns = (n // self.map_step for n in self.padded_size)
        top, left = (first + 0.5 - self.map_step / 2 for first in offset)
        whole = [[left, columns * self.map_step], [top, rows * self.map_step]]
        first = (self.stride - 1) / 2
        return apply_jitters(
            self.views.new_tensor([whole]), self.image_features, (rows, columns),
            image_size=self.padded_size, stride=self.stride, origin=(first, first),
        )  # fmt: skip

    def predicted_views(
        self, fine: Tensor, offset: Offset, view_indices: Tensor, downsampler: nn.Module
    ) -> Float[Tensor, "n k h w"]:
        """The backbone's features of some views, as a map of the image predicts them."""
        grid = (self.view_features.shape[2], self.view_features.shape[3])
        samples = (self.options.samples * grid[0], self.options.samples * grid[1])
        views = apply_jitters(
            self.views[view_indices], fine, samples,
            image_size=self.padded_size, stride=self.map_step, origin=offset,
        )  # fmt: skip
        return downsampler(views, grid)

    @torch.no_grad()
    def held_out_error(self) -> float:
        """Mean square error of the network on the held-out views, without dropout."""
        self.trainable.eval()
        middle = (self.map_step // 2, self.map_step // 2)
        error = self.map_error(*self.render(middle), self.downsampler)
        self.trainable.train()
        return error

    @torch.no_grad()
    def bilinear_error(self) -> float:
        """The same error of bilinear upsampling, averaged over each cell."""
        samples = self.options.samples
        averaging = create_downsampler("blur", 1, samples, kernel_size=samples).to(self.image)
        middle = (self.map_step // 2, self.map_step // 2)
        return self.map_error(self.bilinear_map(middle), middle, averaging)

    def map_error(self, fine: Tensor, offset: Offset, downsampler: nn.Module) -> float:
        """Mean square error of a map on the held-out views."""
        held_out = torch.arange(self.options.views, len(self.views))
        predicted = self.predicted_views(fine, offset, held_out, downsampler)
        return (predicted - self.view_features[held_out]).square().mean().item()


def map_step(stride: int, padded_size: tuple[int, int], pixels_per_cell: int) -> int:
    """Pixels between neighbours of the map: a divisor of the stride, so that it fits the image.

    The map has about `pixels_per_cell` pixels per cell along each axis, fewer where it would have
    more than `MAX_MAP_PIXELS`.
    """
    area = padded_size[0] * padded_size[1]
    wanted = max(stride / pixels_per_cell, (area / MAX_MAP_PIXELS) ** 0.5)
    return next((n for n in range(1, stride) if stride % n == 0 and n >= wanted), stride)
