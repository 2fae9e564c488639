"""Photo in, pixel-resolution features out: a backbone and an upsampler, aligned to the pixel."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.saving.configuration import build, describe
from unstride.saving.folder import CONFIG_NAME, WEIGHTS_NAME, load_weights, naming_file, read_config, save_model
from unstride.saving.huggingface import download_folder, upload_folder
from unstride.backbones.padding import pad_image
from unstride.tiling.memory_budget import remaining_memory
from unstride.tiling.padded_tiles import PaddedTiles, padded_output_size
from unstride.upsamplers import Upsampler


class DenseFeatures(nn.Module):
    """Features of an image at any size: pad to the backbone's grid, upsample, crop.

    A feature of pixel (y, x) of the result describes the same place of the image, whatever the
    image's size: the padding that the backbone needed is upsampled too and then cropped away.

    Args:
        backbone: of `create_backbone`.
        upsampler: of `create_upsampler`, or any module called in the same way.
    """

    backbone: Any

    def __init__(self, backbone: Backbone | nn.Module, upsampler: Upsampler | nn.Module):
        super().__init__()
        self.backbone, self.upsampler = backbone, upsampler

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"],
        size: tuple[int, int] | None = None,
        *,
        memory: int | None = None,
    ) -> Float[Tensor, "b c H W"]:
        """Features at `size`, by default one for each pixel.

        Args:
            image: RGB in [0, 1], of any size.
            size: rows and columns of the result.
            memory: as for `upsample`; the backbone takes what it takes.
        """
        return self.upsample(self.backbone(image), image, size, memory=memory)

    def upsample(
        self,
        features: Float[Tensor, "b c gh gw"],
        image: Float[Tensor, "b 3 h w"],
        size: tuple[int, int] | None = None,
        *,
        memory: int | None = None,
    ) -> Float[Tensor, "b c H W"]:
        """What `forward` does once the backbone has answered with `features`.

        Args:
            features: of the padded image.
            image: RGB in [0, 1].
            size: rows and columns of the result.
            memory: bytes that the process may have in all, the result among them; the upsampler
                then runs in tiles, without gradients. By default it runs in one piece.

        Raises:
            ValueError: if that is too little.
        """
        real = image.shape[2], image.shape[3]
        size = real if size is None else size
        if memory is not None:
            shape = (*features.shape[:2], *size)
            left = remaining_memory(memory, features.device) - prod(shape) * features.itemsize
            pieces, result = self.pieces(features, image, size, left), features.new_empty(shape)
            for piece in pieces:
                result[:, :, piece.rows, piece.columns] = piece.features
            return result
        padded = self.backbone.padded_size(real)
        reach, direct = padded_output_size(padded, real, size)
        fine = self.upsampler(features, pad_image(image, padded), reach)
        if direct:
            return fine[:, :, : size[0], : size[1]]
        return interpolate(fine[:, :, : real[0], : real[1]], size, mode="bilinear", antialias=True)

    def pieces(
        self,
        features: Float[Tensor, "b c gh gw"],
        image: Float[Tensor, "b 3 h w"],
        size: tuple[int, int],
        left: int | None = None,
    ) -> PaddedTiles:
        """The same, to iterate over: each piece has its rows, its columns and its features.

        Args:
            features: of the padded image.
            image: RGB in [0, 1].
            size: rows and columns of the result.
            left: bytes that a piece may take, with all that is needed to compute it.

        Raises:
            ValueError: if no piece is that small.
        """
        real = image.shape[2], image.shape[3]
        padded = self.backbone.padded_size(real)
        return PaddedTiles(
            self.upsampler, features, pad_image(image, padded), padded_output_size(padded, real, size),
            real=real, size=size, room=left,
        )  # fmt: skip

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json, all tensors as model.safetensors and a model card into a folder.

        Args:
            folder: made if need be; a README.md that is there stays.

        Raises:
            ValueError: if the backbone is not of `create_backbone`.
        """
        save_model(folder, self.to_config(), self)

    def to_config(self) -> dict[str, Any]:
        """The content of config.json: backbone and upsampler.

        Raises:
            ValueError: if the backbone is not from `create_backbone`, or the upsampler cannot be
                saved.
        """
        if not isinstance(self.backbone, Backbone) or self.backbone.name == "custom":
            raise ValueError(
                "backbone must come from create_backbone for the model to be saved, "
                f"got a {type(self.backbone).__name__}; save its upsampler alone"
            )
        backbone = {"name": self.backbone.name, "stride": self.backbone.stride}
        return {"backbone": backbone, "upsampler": describe(self.upsampler)}

    @classmethod
    def from_pretrained(
        cls,
        where: str | Path,
        *,
        revision: str | None = None,
        classes: Sequence[type[Upsampler]] = (),
    ) -> "DenseFeatures":
        """The model that `save_pretrained` wrote; arguments as of `unstride.from_pretrained`."""
        folder = download_folder(where, revision)
        config = read_config(folder)
        if "backbone" not in config:
            raise ValueError(f"{where} holds a {config.get('upsampler')} without a backbone")
        with naming_file(folder / CONFIG_NAME):
            backbone, upsampler = config["backbone"], build(config["upsampler"], classes)
            stride = backbone["stride"]
            model = cls(create_backbone(backbone["name"], False, stride=stride), upsampler)
        load_weights(model, folder / WEIGHTS_NAME, "model")
        return model.eval()

    def push_to_hub(
        self, repository: str, *, private: bool | None = None, message: str = "Upload with unstride"
    ) -> str:
        """Upload what `save_pretrained` writes; arguments and errors as of `Upsampler`'s."""
        return upload_folder(self.save_pretrained, repository, private=private, message=message)
