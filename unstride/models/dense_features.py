"""Photo in, pixel-resolution features out: a backbone and an upsampler, aligned to the pixel."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.backbones import Backbone, pad_image
from unstride.upsamplers import Upsampler


class DenseFeatures(nn.Module):
    """Features of an image at any size: pad to the backbone's grid, upsample, crop.

    A feature of pixel (y, x) of the result describes the same place of the image, whatever the
    image's size: the padding that the backbone needed is upsampled too and then cropped away.

    Args:
        backbone: of `create_backbone`.
        upsampler: of `create_upsampler`, or any module called in the same way.
    """

    def __init__(self, backbone: Backbone, upsampler: Upsampler | nn.Module):
        super().__init__()
        self.backbone, self.upsampler = backbone, upsampler

    def forward(
        self, image: Float[Tensor, "b 3 h w"], size: tuple[int, int] | None = None
    ) -> Float[Tensor, "b c H W"]:
        """Features at `size`, by default one for each pixel.

        Args:
            image: RGB in [0, 1], of any size.
            size: rows and columns of the result.
        """
        return self.upsample(self.backbone(image), image, size)

    def upsample(
        self,
        features: Float[Tensor, "b c gh gw"],
        image: Float[Tensor, "b 3 h w"],
        size: tuple[int, int] | None = None,
    ) -> Float[Tensor, "b c H W"]:
        """What `forward` does once the backbone has answered with `features`."""
        height, width = image.shape[2:]
        size = (height, width) if size is None else size
        padded = self.backbone.padded_size((height, width))
        guide = pad_image(image, padded)
        # The padded area at the resolution asked for; where it has no whole number of pixels
        # there, go by way of the image's own resolution rather than shift by a fraction.
        scaled = [
            n * wanted / real for n, wanted, real in zip(padded, size, (height, width), strict=True)
        ]
        direct = all(n.is_integer() for n in scaled)
        reach = (int(scaled[0]), int(scaled[1])) if direct else padded
        fine = self.upsampler(features, guide, reach)
        if direct:
            return fine[:, :, : size[0], : size[1]]
        return interpolate(
            fine[:, :, :height, :width], size, mode="bilinear", align_corners=False, antialias=True
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json, all tensors as model.safetensors and a model card into a folder.

        Args:
            folder: made if need be; a README.md that is there stays.

        Raises:
            ValueError: if the backbone is not of `create_backbone`.
        """
        from unstride.models.pretrained import write_dense_features

        write_dense_features(self, folder)

    @classmethod
    def from_pretrained(
        cls,
        where: str | Path,
        *,
        revision: str | None = None,
        classes: Sequence[type[Upsampler]] = (),
    ) -> "DenseFeatures":
        """The model that `save_pretrained` wrote; arguments as of `unstride.from_pretrained`."""
        from unstride.models.pretrained import from_pretrained

        model = from_pretrained(where, revision=revision, classes=classes)
        if not isinstance(model, DenseFeatures):
            raise ValueError(f"{where} holds a {type(model).__name__} without a backbone")
        return model

    def push_to_hub(
        self, repository: str, *, private: bool | None = None, message: str = "Upload with unstride"
    ) -> str:
        """Upload what `save_pretrained` writes; arguments and errors as of `Upsampler`'s."""
        from unstride.upsamplers.hub import push

        return push(self.save_pretrained, repository, private=private, message=message)
