"""DeepFill: a coarse network fills the hole, a second one refines it with contextual attention.

Yu, Lin, Yang, Shen, Lu, Huang, "Generative Image Inpainting with Contextual Attention", CVPR 2018,
arXiv:1801.07892, section 3 and appendix B. Layers are those of the authors' code, which has
3,601,542 parameters; the paper says 2.9 million. With `gated` the network is that of "Free-Form
Image Inpainting with Gated Convolution", ICCV 2019, arXiv:1806.03589: gated convolutions, tanh
outputs, and a refinement that sees the image alone; its released width is 24.
"""

from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unstride.models.inpainting.attention import ContextualAttention
from unstride.models.inpainting.convolution import Convolution
from unstride.models.inpainting.inpainter import Inpainter
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided
from unstride.upsamplers.interpolation import Nearest

# channels in multiples of the width, kernel size, stride, dilation
Layer = tuple[int, int, int, int]
DILATED: list[Layer] = [(4, 3, 1, d) for d in (2, 4, 8, 16)]
COARSE: list[Layer] = [
    (1, 5, 1, 1), (2, 3, 2, 1), (2, 3, 1, 1), (4, 3, 2, 1), (4, 3, 1, 1), (4, 3, 1, 1),
    *DILATED, (4, 3, 1, 1), (4, 3, 1, 1),
]  # fmt: skip
HALLUCINATION: list[Layer] = [
    (1, 5, 1, 1), (1, 3, 2, 1), (2, 3, 1, 1), (2, 3, 2, 1), (4, 3, 1, 1), (4, 3, 1, 1), *DILATED,
]  # fmt: skip
ATTENTION: list[Layer] = [
    (1, 5, 1, 1), (1, 3, 2, 1), (2, 3, 1, 1), (4, 3, 2, 1), (4, 3, 1, 1), (4, 3, 1, 1),
]  # fmt: skip


class DeepFill(Inpainter):
    """Two stages: a coarse image, and its refinement by convolutions and contextual attention.

    Args:
        width: channels of the first layers; the coarsest have four times as many.
        gated: the convolutions, outputs and inputs of the free-form successor.
        attention: layer called with features at stride 4 and the holes of the image, such as
            `NoAttention`. Default: `ContextualAttention`.
        refine: whether there is a second stage.
        first_upsampler: makes the operators from stride 4 to 2, called as
            `factory(channels, scale=2)`. Their guide is the encoder's finer level.
        last_upsampler: makes the operators from stride 2 to the image.
        pads_end: see `Convolution`; for released TensorFlow weights.
    """

    size_divisor = 8

    def __init__(
        self,
        width: int = 32,
        *,
        gated: bool = False,
        attention: nn.Module | None = None,
        refine: bool = True,
        first_upsampler: UpsamplerFactory = Nearest,
        last_upsampler: UpsamplerFactory = Nearest,
        pads_end: bool = False,
    ):
        super().__init__()
        convolution = partial(Convolution, gated=gated, pads_end=pads_end)
        upsamplers = first_upsampler, last_upsampler
        self.gated = gated
        self.coarse_encoder = Encoder(5, width, COARSE, convolution)
        self.coarse_decoder = Decoder(
            width, upsamplers, convolution, self.coarse_encoder.guide_channels
        )
        if not refine:
            self.attention_encoder = self.attention = None
            return
        in_channels = 3 if gated else 5
        self.encoder = Encoder(in_channels, width, HALLUCINATION, convolution)
        self.attention_encoder = Encoder(in_channels, width, ATTENTION, convolution)
        last = self.attention_encoder.layers[-1]
        last.activation = nn.ReLU()
        self.attention = ContextualAttention() if attention is None else attention
        self.attended = nn.Sequential(*(convolution(4 * width, 4 * width) for _ in range(2)))
        self.merge = nn.Sequential(
            convolution(8 * width, 4 * width), convolution(4 * width, 4 * width)
        )
        self.decoder = Decoder(width, upsamplers, convolution, self.encoder.guide_channels)

    def stages(
        self,
        masked: Float[Tensor, "b 3 h w"],
        is_hole: Bool[Tensor, "b 1 h w"],
        size: tuple[int, int],
    ) -> tuple[Float[Tensor, "b 3 h w"], ...]:
        """The coarse image, and the refined one."""
        planes = torch.cat([torch.ones_like(is_hole), is_hole], 1).to(masked)
        features, guides = self.coarse_encoder(torch.cat([masked, planes], 1))
        coarse = self._image(self.coarse_decoder(features, guides, masked))
        if self.attention_encoder is None or self.attention is None:
            return (coarse,)
        pasted = torch.where(is_hole, coarse, masked)
        given = pasted if self.gated else torch.cat([pasted, planes], 1)
        features, guides = self.encoder(given)
        queries, _ = self.attention_encoder(given)
        attended = self.attended(self.attention(queries, is_hole, size))
        merged = self.merge(torch.cat([features, attended], 1))
        return coarse, self._image(self.decoder(merged, guides, pasted))

    def sources(
        self, image: Float[Tensor, "1 3 h w"], is_hole: Bool[Tensor, "1 1 h w"]
    ) -> Int[Tensor, "2 y x"] | None:
        """Row and column of the strongest source of each place, on a grid of stride 8.

        None if the network has no attention.

        Args:
            image: RGB in [0, 1], of any size.
            is_hole: which pixels to fill.
        """
        if not isinstance(self.attention, ContextualAttention):
            return None
        found: list[Tensor] = []
        handle = self.attention.register_forward_pre_hook(lambda _, args: found.extend(args))
        try:
            self.predict(image, is_hole)
        finally:
            handle.remove()
        features, holes, _ = found
        return self.attention.sources(features, holes)[0]

    def _image(self, maps: Tensor) -> Tensor:
        return maps.tanh() if self.gated else maps.clamp(-1, 1)


class Encoder(nn.Module):
    """Convolutions in a row. Also returns the last map of each finer stride, to guide decoders.

    Args:
        in_channels: channels of the input.
        width: what the layers' channels are multiples of.
        layers: the layers.
        convolution: makes a layer.

    Attributes:
        guide_channels: channels at stride 1, 2, ..., without the coarsest.
    """

    def __init__(
        self, in_channels: int, width: int, layers: list[Layer], convolution: partial[Convolution]
    ):
        super().__init__()
        self.layers = nn.ModuleList()
        channels = in_channels
        self.guide_channels: list[int] = []
        for multiple, kernel_size, stride, dilation in layers:
            if stride > 1:
                self.guide_channels.append(channels)
            self.layers.append(
                convolution(
                    channels, multiple * width, kernel_size, stride=stride, dilation=dilation
                )
            )
            channels = multiple * width

    def forward(
        self, maps: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b d y x"], list[Tensor]]:
        """The last map, and the guides from fine to coarse."""
        guides = []
        for layer in self.layers:
            before, maps = maps, layer(maps)
            if maps.shape[2] < before.shape[2]:
                guides.append(before)
        return maps, guides


class Decoder(nn.Module):
    """Twice: enlarges the features by an operator and convolves them. Ends in an image.

    Args:
        width: half of the channels at stride 2, a quarter of those at stride 4.
        upsamplers: makes the operators, coarse first.
        convolution: makes a layer.
        guide_channels: channels of the guides, from fine to coarse.
    """

    def __init__(
        self,
        width: int,
        upsamplers: tuple[UpsamplerFactory, UpsamplerFactory],
        convolution: partial[Convolution],
        guide_channels: list[int],
    ):
        super().__init__()
        self.ups = nn.ModuleList(
            build_upsampler(upsampler, channels * width, 2, guide_channels=guide)
            for upsampler, channels, guide in zip(
                upsamplers, (4, 2), guide_channels[::-1], strict=True
            )
        )
        self.convolutions = nn.ModuleList(
            [
                nn.Sequential(convolution(4 * width, 2 * width), convolution(2 * width, 2 * width)),
                nn.Sequential(
                    convolution(2 * width, width),
                    convolution(width, width // 2),
                    convolution(width // 2, 3, activation=None),
                ),
            ]
        )

    def forward(
        self, features: Float[Tensor, "b c y x"], guides: list[Tensor], image: Tensor
    ) -> Float[Tensor, "b 3 h w"]:
        """Decode.

        Args:
            features: at stride 4.
            guides: features of the encoder, from fine to coarse.
            image: RGB in [-1, 1], for operators whose guide is an image.
        """
        for up, guide, convolutions in zip(self.ups, guides[::-1], self.convolutions, strict=True):
            size = guide.shape[2], guide.shape[3]
            features = upsample_guided(
                features, up, size, fine_features=guide, image=(image + 1) / 2
            )
            features = convolutions(features)
        return features
