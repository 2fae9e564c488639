"""Monodepth2: depth learned from video alone, by warping frames with predicted depth and motion.

Godard et al., "Digging Into Self-Supervised Monocular Depth Estimation", ICCV 2019,
arXiv:1806.01260, section 3; written from its formulas. The networks differ: the encoder is any
`Pyramid`, the decoder an FPN with any upsampler, the pose network a small one of our own.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from unstride.backbones.padding import pad_image
from unstride.backbones.pyramid import Pyramid
from unstride.geometry import warp_image
from unstride.heads.pixel_decoder import DECODER_WIDTH, PixelDecoder, prediction_head
from unstride.losses.photometric import edge_aware_smoothness_loss, minimum_reprojection_loss
from unstride.models.depth.pose_network import PoseNetwork
from unstride.models.multitask.single_task import DecoderWidth
from unstride.precision import upcast_half
from unstride.saving.argument_checks import checked
from unstride.upsamplers.factory import UpsamplerFactory
from unstride.upsamplers.image_check import check_image_shape
from unstride.upsamplers.interpolation import Bilinear

# in the unit of the translation, which is metres only if the true motion is known
MIN_DEPTH, MAX_DEPTH = 0.1, 100.0
SMOOTHNESS_WEIGHT = 1e-3  # at the finest scale; divided by the stride at coarser ones
NUM_SCALES = 4  # number of strides with a disparity, from 1 on


class Monodepth(nn.Module):
    """Predicts the depth of an image. Trained on frames with their neighbours (`FrameTriplets`).

    Without known poses the depth has no unit: evaluate it with median alignment.

    Args:
        pyramid: the encoder. Monodepth2's has strides 2 to 32.
        upsampler: makes the operators, see `PixelDecoder`.
        width: channels of the decoder.
        depths: smallest and largest depth.

    Raises:
        ValueError: if `depths` is invalid.
    """

    @checked
    def __init__(
        self,
        pyramid: Pyramid,
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: DecoderWidth = DECODER_WIDTH,
        depths: tuple[float, float] = (MIN_DEPTH, MAX_DEPTH),
    ):
        super().__init__()
        if not 0 < depths[0] < depths[1]:
            raise ValueError(f"depths must be 0 < nearest < farthest, got {depths}")
        self.pyramid, self.depth_range, self.pose = pyramid, depths, PoseNetwork()
        self.decoder = PixelDecoder(pyramid.channels, upsampler, width=width, num_levels=NUM_SCALES)
        self.heads = nn.ModuleDict(
            {str(stride): prediction_head(width, 1) for stride in self.decoder.strides}
        )

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
        """Depth of each pixel.

        Args:
            image: RGB in [0, 1], of any size.
        """
        disparity = self.disparities(image, (1,))[1]
        return self.disparity_to_depth(disparity[:, : image.shape[2], : image.shape[3]])

    def disparities(
        self, image: Float[Tensor, "b 3 h w"], strides: Sequence[int]
    ) -> dict[int, Tensor]:
        """Disparities of the padded image, in [0, 1], "b h w" each, by stride."""
        check_image_shape(image)
        size = image.shape[2], image.shape[3]
        padded = pad_image(image, self.pyramid.padded_size(size))
        levels = self.decoder(self.pyramid(image), padded)
        return {n: upcast_half(self.heads[str(n)](levels[n]))[:, 0].sigmoid() for n in strides}

    def disparity_to_depth(self, disparity: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
        """1 / (1 / far + (1 / near - 1 / far) disparity)."""
        near, far = self.depth_range
        return 1 / (1 / far + (1 / near - 1 / far) * disparity)

    def source_poses(
        self, image: Float[Tensor, "b 3 h w"], sources: Float[Tensor, "b 2 3 h w"]
    ) -> Float[Tensor, "b 2 4 4"]:
        """Predicted poses from the frame's camera to the cameras of the previous and next frame.

        The pose network always takes two frames in temporal order. Its pose is inverted for the
        previous frame.
        """
        to_previous = torch.linalg.inv(self.pose(sources[:, 0], image))
        return torch.stack([to_previous, self.pose(image, sources[:, 1])], 1)

    def loss(
        self,
        sample: Mapping[str, Tensor],
        *,
        known_motion: bool = False,
        disparities: Mapping[int, Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """`photometric`, the weighted `smoothness`, and their sum `loss`, which is minimised.

        Each is a mean over scales. The disparity of each scale is first upsampled to the image.

        Args:
            sample: batch of `FrameTriplets`. The networks take its `augmented_frames` if it has
                any.
            known_motion: use the sample's poses. The depth is then in metres.
            disparities: those of the frame at all strides. Default: predict them.
            generator: random generator of the noise that breaks the ties of auto-masking.
        """
        image, sources = sample["image"], sample["sources"]
        previous, frame, next_frame = self._network_inputs(sample)
        neighbours = torch.stack([previous, next_frame], 1)
        poses = sample["poses"] if known_motion else self.source_poses(frame, neighbours)
        size = image.shape[2], image.shape[3]
        padded_size = self.pyramid.padded_size(size)
        padded_image = pad_image(image, padded_size)
        if disparities is None:
            disparities = self.disparities(frame, self.decoder.strides)
        identity_sources = list(sources.unbind(1))
        photometric, smoothness = [], []
        for stride, disparity in disparities.items():
            full_disparity = interpolate(disparity[:, None], padded_size, mode="bilinear")[:, 0]
            depth = self.disparity_to_depth(full_disparity[:, : size[0], : size[1]])
            warped_sources = [
                warp_image(source, depth, poses[:, i], sample["intrinsics"])[0]
                for i, source in enumerate(identity_sources)
            ]
            error, _ = minimum_reprojection_loss(
                image, warped_sources, identity_sources, generator=generator
            )
            photometric.append(error)
            grid = disparity.shape[1], disparity.shape[2]
            roughness = edge_aware_smoothness_loss(
                disparity, adaptive_avg_pool2d(padded_image, grid)
            )
            smoothness.append(SMOOTHNESS_WEIGHT / stride * roughness)
        parts = {
            "photometric": torch.stack(photometric).mean(),
            "smoothness": torch.stack(smoothness).mean(),
        }
        return {"loss": parts["photometric"] + parts["smoothness"]} | parts

    def frame(self, sample: Mapping[str, Tensor]) -> Float[Tensor, "b 3 h w"]:
        """The frame of a sample, as the networks take it."""
        return self._network_inputs(sample)[1]

    @staticmethod
    def _network_inputs(sample: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The previous frame, the frame and the next frame, as the networks take them."""
        if "augmented_frames" in sample:
            return sample["augmented_frames"].unbind(1)
        previous, next_frame = sample["sources"].unbind(1)
        return previous, sample["image"], next_frame
