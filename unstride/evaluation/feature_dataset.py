"""TODO."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstride.datasets.base import evenly_spaced_indices
from unstride.formats.features import save_tensors


class FeatureDataset:
    """Images, labels and the backbone's features of a split, the features kept.

    Args:
        dataset: gives (image, labels) for an index.
        backbone: whose features are kept, in half precision; not standardised.
        limit: as many images, spread evenly over the split; by default all.
        cache: folder in which the features are kept; by default they are kept in memory.
        progress: wraps an iterable of known length and shows how far it is.
    """

    def __init__(
        self,
        dataset: Sequence,
        backbone: nn.Module,
        *,
        limit: int | None = None,
        cache: Path | None = None,
        progress: Callable[..., Any] = lambda items, _: items,
    ):
        self.dataset, self.backbone, self.cache, self.progress = dataset, backbone, cache, progress
        self.indices = evenly_spaced_indices(len(dataset), limit)
        self.kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> tuple[Tensor, Any, Tensor]:
        """An image (1, 3, H, W), its labels, and its features (1, c, h, w)."""
        index = self.indices[place]
        image, labels = self.dataset[index]
        device = next(iter(self.backbone.parameters()), torch.empty(0)).device
        image = image[None].to(device)
        return image, labels, self._features(index, image).to(device).float()

    def image(self, place: int) -> Tensor:
        """An image (1, 3, H, W) alone."""
        device = next(iter(self.backbone.parameters()), torch.empty(0)).device
        return self.dataset[self.indices[place]][0][None].to(device)

    def __iter__(self) -> Iterator[tuple[Tensor, Any, Tensor]]:
        return (self[place] for place in range(len(self)))

    def walk(self, what: str) -> Iterator[tuple[Tensor, Any, Tensor]]:
        """All of it, with a progress bar called `what`."""
        return (self[place] for place in self.progress(range(len(self)), what))

    @torch.inference_mode()
    def _features(self, index: int, image: Tensor) -> Tensor:
        if self.cache is None:
            if index not in self.kept:
                self.kept[index] = self.backbone(image).half().cpu()
            return self.kept[index]
        path = self.cache / f"{index:06d}.safetensors"
        return load_or_compute(path, lambda: self.backbone(image).half().cpu())


def load_or_compute(path: Path, make: Callable[[], Tensor]) -> Tensor:
    """A tensor from its file, made and written first if there is none; whole or not at all."""
    from safetensors.torch import load_file

    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tensors({"features": make().contiguous()}, path, {})
    return load_file(path)["features"]
