"""A frozen backbone whose answers are kept on disk, for runs that ask the same again."""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from unstride.backbones.timm_backbone import Backbone
from unstride.formats.features import save_tensors
from unstride.saving.fingerprint import weights_fingerprint


class CachedBackbone(nn.Module):
    """Answers as `backbone` does; an image that it has seen is not computed again.

    An answer is filed under a hash of the image's pixels and of the backbone's weights, image
    by image, so batches may be put together differently. No gradient passes.

    Args:
        backbone: frozen.
        folder: of the files, float32 as the backbone answers; made if need be.
    """

    def __init__(self, backbone: Backbone, folder: Path):
        super().__init__()
        self.backbone, self.folder = backbone, Path(folder)
        self.name, self.stride, self.channels = backbone.name, backbone.stride, backbone.channels
        self.multiple = backbone.multiple
        self.folder.mkdir(parents=True, exist_ok=True)
        self.of = f"{backbone.name}, stride {backbone.stride}, {weights_fingerprint(backbone)}"

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The backbone's."""
        return self.backbone.padded_size(size)

    @torch.no_grad()
    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """The backbone's features, or what they were the last time."""
        paths = [self.folder / f"{self.key(one)}.safetensors" for one in image]
        found = [_read_cached(path) for path in paths]
        missing = [i for i, features in enumerate(found) if features is None]
        if missing:
            for i, features in zip(missing, self.backbone(image[missing]).cpu(), strict=True):
                save_tensors({"features": features.contiguous()}, paths[i], {})
                found[i] = features
        return torch.stack([f for f in found if f is not None]).to(image.device)

    def key(self, image: Float[Tensor, "3 H W"]) -> str:
        """The name under which its features are filed."""
        digest = hashlib.sha256(f"{self.of}, {tuple(image.shape)}, {image.dtype}".encode())
        digest.update(image.float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]


def _read_cached(path: Path) -> Tensor | None:
    try:
        return load_file(path)["features"]
    except (OSError, SafetensorError, KeyError):
        return None  # not there, or damaged: computed again
