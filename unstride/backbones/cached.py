"""Caches the features of a frozen backbone on disk, for runs that see the same images again."""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.timm_backbone import Backbone
from unstride.formats.atomic_write import remove_leftovers
from unstride.formats.features import load_cached_features, save_tensors
from unstride.saving.fingerprint import weights_fingerprint
from unstride.upsamplers.image_check import check_image_shape


class CachedBackbone(nn.Module):
    """A backbone that computes the features of each image only once.

    Features are stored per image, under a hash of the image's pixels and of the backbone's weights.
    Batches may therefore group the images differently in each run. No gradient flows through it.

    Args:
        backbone: the frozen backbone.
        folder: cache folder, created if it does not exist. Features are stored in float32, as the
            backbone returns them.
    """

    def __init__(self, backbone: Backbone, folder: Path):
        super().__init__()
        self.backbone, self.folder = backbone, Path(folder)
        self.name, self.stride, self.channels = backbone.name, backbone.stride, backbone.channels
        self.size_divisor = backbone.size_divisor
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder, recursive=False)
        weights = weights_fingerprint(backbone)
        self.backbone_id = f"{backbone.name}, stride {backbone.stride}, {weights}"

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The backbone's padded size of an image of this size."""
        return self.backbone.padded_size(size)

    @torch.no_grad()
    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """The backbone's features, read from the cache where possible."""
        check_image_shape(image)
        paths = [self.folder / f"{self.cache_key(one)}.safetensors" for one in image]
        features = [load_cached_features(path) for path in paths]
        missing = [i for i, cached in enumerate(features) if cached is None]
        if missing:
            for i, computed in zip(missing, self.backbone(image[missing]).cpu(), strict=True):
                save_tensors({"features": computed.contiguous()}, paths[i], {})
                features[i] = computed
        return torch.stack([one for one in features if one is not None]).to(image.device)

    def cache_key(self, image: Float[Tensor, "3 H W"]) -> str:
        """The name of the cache file of an image, without its suffix."""
        description = f"{self.backbone_id}, {tuple(image.shape)}, {image.dtype}"
        digest = hashlib.sha256(description.encode())
        digest.update(image.float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]
