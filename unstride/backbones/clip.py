"""CLIP's view of images: their features, or their similarities to texts, with transformers.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021,
arXiv:2103.00020. The only module that imports transformers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from unstride.formats.errors import first_line
from unstride.saving.huggingface import downloads_from_hub

NOT_REACHED = "not in the cache, and the Hugging Face Hub is unreachable; give a folder"
PROMPT = "a photo of a {}."
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class CLIPImages(nn.Module):
    """Embeds images with a fixed CLIP model; gradients reach the images.

    Args:
        name: model of transformers: a name on the Hugging Face Hub, or a folder.
        classes: names of classes. The embedding is then the cosine similarity to the prompt of
            each; without, the image feature of length 1.

    Raises:
        ValueError: if the model cannot be loaded.
    """

    mean: Tensor
    std: Tensor
    model: Any
    prompts: Tensor

    def __init__(self, name: str = "openai/clip-vit-base-patch32", classes: Sequence[str] = ()):
        super().__init__()
        model: Any = load_clip(name)
        self.model = model.requires_grad_(False).eval()
        self.size = [model.config.vision_config.image_size] * 2
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))
        features = embed_prompts(model, name, classes) if classes else torch.empty(0)
        self.register_buffer("prompts", features)

    def train(self, mode: bool = True):
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Similarities to the prompts, or features.

        Args:
            images: RGB in [0, 1], of any size. They are resized as a whole, not cropped.
        """
        images = interpolate(images, self.size, mode="bicubic", antialias=True)
        outputs = self.model.get_image_features(pixel_values=(images - self.mean) / self.std)
        features = normalize(features_of(outputs), dim=1)
        return features @ self.prompts.T if len(self.prompts) else features


def load_clip(name: str) -> Any:
    """Load a CLIP model.

    Raises:
        ValueError: if it is not there or cannot be downloaded.
    """
    from transformers import CLIPModel

    with _loading(name):
        return CLIPModel.from_pretrained(name)


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Load from a folder or the Hub; what goes wrong is one sentence that names the option."""
    with nullcontext(True) if Path(name).is_dir() else downloads_from_hub() as is_reachable:
        try:
            yield
        except Exception as error:
            reason = first_line(error) if is_reachable else NOT_REACHED
            raise ValueError(f"clip_weights must be a CLIP model, got {name}: {reason}") from None


@torch.no_grad()
def embed_prompts(model: Any, name: str, classes: Sequence[str]) -> Float[Tensor, "n d"]:
    """The text features of "a photo of a CLASS.", of length 1."""
    from transformers import AutoTokenizer

    with _loading(name):
        tokenizer = AutoTokenizer.from_pretrained(name)
    prompts = [PROMPT.format(name.replace("_", " ")) for name in classes]
    tokens = tokenizer(prompts, padding=True, return_tensors="pt")
    return normalize(features_of(model.get_text_features(**tokens)), dim=1)


def features_of(outputs: Any) -> Tensor:
    """The features: newer versions of transformers return them inside an output."""
    return outputs if isinstance(outputs, Tensor) else outputs.pooler_output
