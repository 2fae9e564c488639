"""Images, labels and cached backbone features of a data set."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstride.datasets.base import evenly_spaced_indices
from unstride.device import module_device
from unstride.evaluation.progress import ProgressCallback, no_progress
from unstride.formats.features import load_cached_features, save_tensors


class FeatureDataset:
    """Images, labels and a backbone's features of a data set; each feature is computed once.

    Args:
        dataset: gives (image, labels) for an index.
        backbone: computes the features, which are cached in half precision, not standardised.
        limit: number of images, spread evenly over the data set. Default: all.
        cache: folder in which features are cached. Default: they are cached in memory.
        progress: `progress(items, description)` yields the items and shows a progress bar.
    """

    def __init__(
        self,
        dataset: Sequence,
        backbone: nn.Module,
        *,
        limit: int | None = None,
        cache: Path | None = None,
        progress: ProgressCallback = no_progress,
    ):
        self.dataset, self.backbone, self.cache, self.progress = dataset, backbone, cache, progress
        self.indices = evenly_spaced_indices(len(dataset), limit)
        self.memory_cache: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[Tensor, Any, Tensor]:
        """An image (1, 3, H, W), its labels, and its features (1, c, h, w)."""
        dataset_index = self.indices[position]
        image, labels = self.dataset[dataset_index]
        device = module_device(self.backbone)
        image = image[None].to(device)
        return image, labels, self._features(dataset_index, image).to(device).float()

    def image(self, position: int) -> Tensor:
        """Return an image (1, 3, H, W) without its labels and features."""
        return self.dataset[self.indices[position]][0][None].to(module_device(self.backbone))

    def __iter__(self) -> Iterator[tuple[Tensor, Any, Tensor]]:
        return (self[position] for position in range(len(self)))

    def with_progress(self, description: str) -> Iterator[tuple[Tensor, Any, Tensor]]:
        """Iterate over all items and show a progress bar with this description."""
        return (self[position] for position in self.progress(range(len(self)), description))

    @torch.inference_mode()
    def _features(self, dataset_index: int, image: Tensor) -> Tensor:
        if self.cache is None:
            if dataset_index not in self.memory_cache:
                self.memory_cache[dataset_index] = self.backbone(image).half().cpu()
            return self.memory_cache[dataset_index]
        path = self.cache / f"{dataset_index:06d}.safetensors"
        return load_or_compute(path, lambda: self.backbone(image).half().cpu())


def load_or_compute(path: Path, compute: Callable[[], Tensor]) -> Tensor:
    """Load a tensor from a file; compute and write it if the file is missing or damaged.

    The file is written completely or not at all.
    """
    features = load_cached_features(path)
    if features is None:
        features = compute().contiguous()
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tensors({"features": features}, path, {})
    return features
