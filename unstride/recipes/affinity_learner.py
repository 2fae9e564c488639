"""The training step of affinity: likelihood of the pixel pairs that people put into one segment."""

from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import pad

from unstride.backbones.encoder_weights import load_folded_weights
from unstride.backbones.timm_backbone import create_backbone
from unstride.training.learner import Learner
from unstride.training.lr_schedule import with_cosine_decay
from unstride.upsamplers.bilateral_stack import BilateralStack
from unstride.upsamplers.guide import resize_guide
from unstride.upsamplers.joint_bilateral import colour_logits
from unstride.upsamplers.pixel_keys import ChannelStandardiser, PixelKeys

ENCODER_NAME = "tf_efficientnet_lite0"  # timm model whose first stages are the keys' encoder


class AffinityLearner(Learner):
    """Trains the keys of an upsampler. Their encoder keeps its ImageNet weights.

    Args:
        steps: number of training steps.
        learning_rate: initial learning rate.
    """

    def __init__(self, *, steps: int, learning_rate: float = 2e-3):
        super().__init__()
        self.steps, self.learning_rate = steps, learning_rate
        self.upsampler = BilateralStack(1)
        load_folded_weights(self.keys.encoder, create_backbone(ENCODER_NAME).model)
        self.keys.encoder.requires_grad_(False)

    @property
    def keys(self) -> PixelKeys:
        """The network that is trained."""
        assert self.upsampler.keys is not None
        return self.upsampler.keys

    @torch.no_grad()
    def set_statistics(self, images: list[Float[Tensor, "3 h w"]]) -> None:
        """Compute mean and deviation of the encoder's maps from images."""
        maps = [self.keys.encoder(image[None]) for image in images]
        layers = cast(list[ChannelStandardiser], self.keys.standardise)
        for layer, layer_maps in zip(layers, zip(*maps, strict=True), strict=True):
            pixels = torch.cat([m.flatten(2)[0] for m in layer_maps], 1)
            layer.mean.copy_(pixels.mean(1)[:, None, None])
            layer.std.copy_(pixels.std(1)[:, None, None].clamp(min=1e-6))

    def training_step(self, batch, index: int) -> Tensor:
        """Return the negative log-likelihood of the pairs, within segments and across borders."""
        within, across = self.negative_log_likelihoods(*batch)
        self.log_dict({"within": within, "across": across})
        return self.record_loss(within + across)

    def validation_step(self, batch, index: int) -> None:
        """Log the same for images and annotators that were not trained on."""
        within, across = self.negative_log_likelihoods(*batch)
        scores = {"val_within": within, "val_across": across}
        self.log_dict(scores, batch_size=len(batch[0]), sync_dist=True)

    def negative_log_likelihoods(
        self, images: Float[Tensor, "b 3 s s"], segments: Int64[Tensor, "b n h w"]
    ) -> tuple[Tensor, Tensor]:
        """Mean negative log-likelihood of pairs in one segment, and of pairs across a border."""
        stage = self.upsampler.smooth
        size = segments.shape[2], segments.shape[3]
        keys = resize_guide(self.keys(images), size)
        descriptors = stage.pixel_descriptors(resize_guide(images, size), keys)
        distances = window_squared_distances(descriptors, stage.kernel_size)
        half = (distances.float() / 2).clamp(min=1e-4)
        within, across = pair_affinities(segments, stage.kernel_size)
        return (
            (within * half).sum() / within.sum().clamp(min=1),
            (across * -torch.log(-torch.expm1(-half))).sum() / across.sum().clamp(min=1),
        )

    def configure_optimizers(self):
        """AdamW on the keys' decoder and the colour width, with cosine decay to zero."""
        trained = [p for p in self.keys.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            [*trained, self.upsampler.smooth.log_sigma_range], self.learning_rate, weight_decay=1e-3
        )
        return with_cosine_decay(optimizer, self.steps)


def window_squared_distances(
    descriptors: Float[Tensor, "b d h w"], k: int
) -> Float[Tensor, "b k k h w"]:
    """Squared distances of each pixel to those of its k x k window; arbitrary beyond the map."""
    # colour_logits are -distance^2 / 2, up to half of the pixel's own square
    logits = colour_logits(descriptors, descriptors, k)[:, 0]
    centred = descriptors - descriptors.mean((2, 3), keepdim=True)
    own = centred.square().sum(1) / 2
    return 2 * (own[:, None, None] - logits)


def pair_affinities(
    segments: Int64[Tensor, "b n h w"], k: int
) -> tuple[Float[Tensor, "b k k h w"], Float[Tensor, "b k k h w"]]:
    """The shares of annotators who put a pixel and one of its window together, and apart.

    Both are 0 for the pixel itself, beyond the map, and where either pixel is in no segment.
    """
    h, w = segments.shape[2:]
    padded = pad(segments, (k // 2,) * 4, value=-1)
    together, apart = [], []
    for p in range(k):
        for q in range(k):
            neighbour = padded[:, :, p : p + h, q : q + w]
            known = (neighbour >= 0) & (segments >= 0) & ((p, q) != (k // 2, k // 2))
            together.append((known & (neighbour == segments)).float().mean(1))
            apart.append((known & (neighbour != segments)).float().mean(1))
    within, across = (torch.stack(maps, 1).unflatten(1, (k, k)) for maps in (together, apart))
    return within, across
