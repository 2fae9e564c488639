"""Extracts features at pixel resolution: a backbone and an upsampler, aligned to the pixel."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.backbones.padding import pad_image
from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.device import module_device
from unstride.formats.any_image import as_image
from unstride.formats.errors import naming_file
from unstride.saving.configuration import build, describe
from unstride.saving.folder import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    load_weights,
    read_config,
    save_model,
)
from unstride.saving.huggingface import download_folder, upload_folder
from unstride.tiling.memory_budget import remaining_memory
from unstride.tiling.padded_tiles import PaddedTiles, padded_output_size
from unstride.upsamplers import Upsampler
from unstride.upsamplers.image_check import ImageCheck, as_checked_images
from unstride.upsamplers.resize import checked_size


class DenseFeatures(nn.Module):
    """Features of an image at any size: pad to the backbone's grid, upsample, crop.

    The feature of pixel (y, x) describes the same place of the image, whatever the image's size:
    the padding for the backbone is upsampled too and then cropped away.

    Args:
        backbone: from `create_backbone`.
        upsampler: from `create_upsampler`, or any module called in the same way.
    """

    backbone: Any

    def __init__(self, backbone: Backbone | nn.Module, upsampler: Upsampler | nn.Module):
        super().__init__()
        self.backbone, self.upsampler = backbone, upsampler
        self.check_image = ImageCheck()

    def forward(
        self,
        image: Any,
        size: tuple[int, int] | None = None,
        *,
        memory_limit: int | None = None,
    ) -> Float[Tensor, "b c H W"] | list[Float[Tensor, "_ c _ _"]]:
        """Extract features and upsample them to `size`.

        Args:
            image: a tensor, a numpy array or a Pillow image, see `as_image`; or a list of them,
                which may differ in kind and size.
            size: rows and columns of the result. Default: those of the image.
            memory_limit: as for `upsample`; it does not limit the backbone.

        Returns:
            Features; for a list, the list of each image's features.

        Raises:
            ValueError: if an image is not RGB in [0, 1], or the size is not a pair.
        """
        size = None if size is None else checked_size(size)
        if isinstance(image, list | tuple):
            images = as_checked_images(image, module_device(self))
            return [self(one, size, memory_limit=memory_limit) for one in images]
        image = as_image(image, module_device(self))
        return self.upsample(self.backbone(image), image, size, memory_limit=memory_limit)

    def upsample(
        self,
        features: Float[Tensor, "b c gh gw"],
        image: Any,
        size: tuple[int, int] | None = None,
        *,
        memory_limit: int | None = None,
    ) -> Float[Tensor, "b c H W"]:
        """Upsample features that the backbone already computed.

        Args:
            features: backbone features of the padded image.
            image: as for `as_image`.
            size: rows and columns of the result. Default: those of the image.
            memory_limit: bytes that the process may use in all, including the result; the
                upsampler then runs in tiles, without gradients. Default: it runs in one piece.

        Raises:
            ValueError: if the image is not RGB in [0, 1], the size is not a pair, or the memory
                limit is too small for the smallest tile.
        """
        image = as_image(image, module_device(self))
        self.check_image(image)
        image_size = image.shape[2], image.shape[3]
        size = image_size if size is None else checked_size(size)
        if memory_limit is not None:
            shape = (*features.shape[:2], *size)
            remaining = remaining_memory(memory_limit, features.device)
            tile_memory = remaining - prod(shape) * features.itemsize
            tiles = self.iter_tiles(features, image, size, tile_memory)
            result = features.new_empty(shape)
            for tile in tiles:
                result[:, :, tile.rows, tile.columns] = tile.features
            return result
        padded_size = self.backbone.padded_size(image_size)
        padded_output = padded_output_size(padded_size, image_size, size)
        fine = self.upsampler(features, pad_image(image, padded_size), padded_output.size)
        if padded_output.is_crop_enough:
            return fine[:, :, : size[0], : size[1]]
        cropped = fine[:, :, : image_size[0], : image_size[1]]
        return interpolate(cropped, size, mode="bilinear", antialias=True)

    def iter_tiles(
        self,
        features: Float[Tensor, "b c gh gw"],
        image: Any,
        size: tuple[int, int],
        tile_memory: int | None = None,
    ) -> PaddedTiles:
        """The result of `upsample` as an iterable: each tile has rows, columns and features.

        Args:
            features: backbone features of the padded image.
            image: as for `as_image`.
            size: rows and columns of the result.
            tile_memory: bytes that a tile may take, including all that is needed to compute it.
                Default: no limit.

        Raises:
            ValueError: if the image is not RGB in [0, 1], the size is not a pair, or the smallest
                tile takes more.
        """
        image = as_image(image, module_device(self))
        self.check_image(image)
        size = checked_size(size)
        image_size = image.shape[2], image.shape[3]
        padded_size = self.backbone.padded_size(image_size)
        return PaddedTiles(
            self.upsampler, features, pad_image(image, padded_size),
            padded_output_size(padded_size, image_size, size),
            image_size=image_size, size=size, memory_limit=tile_memory,
        )  # fmt: skip

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json, all tensors as model.safetensors and a model card into a folder.

        Args:
            folder: output folder. Created if it does not exist. An existing README.md is kept.

        Raises:
            ValueError: if the backbone is not from `create_backbone`.
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
        folder_or_repo: str | Path,
        *,
        revision: str | None = None,
        classes: Sequence[type[Upsampler]] = (),
    ) -> "DenseFeatures":
        """Load what `save_pretrained` wrote; arguments as for `unstride.from_pretrained`."""
        folder = download_folder(folder_or_repo, revision)
        config = read_config(folder)
        if "backbone" not in config:
            raise ValueError(
                f"{folder_or_repo} holds a {config.get('upsampler')} without a backbone"
            )
        with naming_file(folder / CONFIG_NAME):
            backbone, upsampler = config["backbone"], build(config["upsampler"], classes)
            stride = backbone["stride"]
            model = cls(create_backbone(backbone["name"], False, stride=stride), upsampler)
        load_weights(model, folder / WEIGHTS_NAME, "model")
        return model.eval()

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        commit_message: str = "Upload with unstride",
    ) -> str:
        """Upload what `save_pretrained` writes; arguments and errors as for `Upsampler`."""
        return upload_folder(
            self.save_pretrained, repo_id, private=private, commit_message=commit_message
        )
