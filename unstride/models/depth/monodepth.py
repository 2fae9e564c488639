"""Depth learned from video alone: what depth and motion predict is compared with what is seen.

Godard et al., "Digging Into Self-Supervised Monocular Depth Estimation", ICCV 2019,
arXiv:1806.01260, section 3; written from its formulas. We differ in the networks: the encoder is
any `Pyramid`, the decoder an FPN with any upsampler, the pose network a small one of its own.
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
from unstride.precision import upcast_half
from unstride.upsamplers.factory import UpsamplerFactory
from unstride.upsamplers.interpolation import Bilinear

MIN_DEPTH, MAX_DEPTH = (
    0.1,
    100.0,
)  # in the unit of the translation, which is metres only if that is known
SMOOTHNESS_WEIGHT = 1e-3  # at the finest scale; divided by the stride at coarser ones
NUM_SCALES = 4  # strides at which there is a disparity, from 1 on


class Monodepth(nn.Module):
    """Depth of a photograph, trained on frames with their neighbours (`FrameTriplets`).

    Without poses depth has no unit: compare it with median alignment.

    Args:
        pyramid: the encoder; Monodepth2's has strides 2 to 32.
        upsampler: makes the operators, see `PixelDecoder`.
        width: channels of the decoder.
        depths: the least and the greatest depth.

    Raises:
        ValueError: if `depths` are none.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        upsampler: UpsamplerFactory = Bilinear,
        *,
        width: int = DECODER_WIDTH,
        depths: tuple[float, float] = (MIN_DEPTH, MAX_DEPTH),
    ):
        super().__init__()
        if not 0 < depths[0] < depths[1]:
            raise ValueError(f"depths {depths}: 0 < nearest < farthest is needed")
        self.pyramid, self.depths, self.pose = pyramid, depths, PoseNetwork()
        self.decoder = PixelDecoder(pyramid.channels, upsampler, width=width, levels=NUM_SCALES)
        self.heads = nn.ModuleDict(
            {str(stride): prediction_head(width, 1) for stride in self.decoder.strides}
        )

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
        """The depth of each pixel of an image, RGB in [0, 1] and of any size."""
        disparity = self.disparities(image, (1,))[1]
        return self.depth(disparity[:, : image.shape[2], : image.shape[3]])

    def disparities(
        self, image: Float[Tensor, "b 3 h w"], strides: Sequence[int]
    ) -> dict[int, Tensor]:
        """Disparities in [0, 1], "b h w" of the padded image, by stride."""
        size = image.shape[2], image.shape[3]
        padded = pad_image(image, self.pyramid.padded_size(size))
        levels = self.decoder(self.pyramid(image), padded)
        return {n: upcast_half(self.heads[str(n)](levels[n]))[:, 0].sigmoid() for n in strides}

    def depth(self, disparity: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
        """1 / (1 / far + (1 / near - 1 / far) disparity)."""
        near, far = self.depths
        return 1 / (1 / far + (1 / near - 1 / far) * disparity)

    def motions(
        self, image: Float[Tensor, "b 3 h w"], sources: Float[Tensor, "b 2 3 h w"]
    ) -> Float[Tensor, "b 2 4 4"]:
        """From the frame's camera to the sources' (before, after), by the pose network.

        It is always shown two frames in the order of time; for the one before the pose is inverted.
        """
        before = torch.linalg.inv(self.pose(sources[:, 0], image))
        return torch.stack([before, self.pose(image, sources[:, 1])], 1)

    def loss(
        self,
        sample: Mapping[str, Tensor],
        *,
        known_motion: bool = False,
        generator: torch.Generator | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """`loss`, the sum that is minimised, of `photometric` and weighted `smoothness`.

        Means over the scales, at each of which the disparity is first enlarged to the image.

        Args:
            sample: a batch of `FrameTriplets`; where it has `shown`, the networks see these frames.
            known_motion: take the sample's poses; then depth is in metres.
            generator: of the noise that breaks the ties of auto-masking.
        """
        image, sources = sample["image"], sample["sources"]
        before, seen, after = self._shown(sample)
        others = torch.stack([before, after], 1)
        poses = sample["poses"] if known_motion else self.motions(seen, others)
        size = image.shape[2], image.shape[3]
        padded = self.pyramid.padded_size(size)
        scene = pad_image(image, padded)
        photometric, smoothness = [], []
        for stride, disparity in self.disparities(seen, self.decoder.strides).items():
            whole = interpolate(disparity[:, None], padded, mode="bilinear")[:, 0]
            depth = self.depth(whole[:, : size[0], : size[1]])
            warped = [
                warp_image(sources[:, i], depth, poses[:, i], sample["intrinsics"])[0]
                for i in range(sources.shape[1])
            ]
            unmoved = list(sources.unbind(1))
            photometric.append(
                minimum_reprojection_loss(image, warped, unmoved, generator=generator)[0]
            )
            small = adaptive_avg_pool2d(scene, (disparity.shape[1], disparity.shape[2]))
            smoothness.append(
                SMOOTHNESS_WEIGHT / stride * edge_aware_smoothness_loss(disparity, small)
            )
        parts = {
            "photometric": torch.stack(photometric).mean(),
            "smoothness": torch.stack(smoothness).mean(),
        }
        return {"loss": parts["photometric"] + parts["smoothness"]} | parts

    @staticmethod
    def _shown(sample: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """What the networks see of the frames before, here and after."""
        if "shown" in sample:
            return sample["shown"].unbind(1)
        before, after = sample["sources"].unbind(1)
        return before, sample["image"], after
