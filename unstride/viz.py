"""Features as colours that can be compared: one colour space for several maps, by PCA."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

SAMPLE = 20_000  # pixels from which the components are estimated
AT_ONCE = 4096  # pixels that are coloured together


class ColourSpace:
    """Three principal components of some features, scaled to RGB.

    Args:
        features: from which the space is made; the 1st and 99th percentile of each component
            become 0 and 1.
    """

    def __init__(self, features: Float[Tensor, "b c h w"]):
        pixels = _pixels(features.float())
        step = max(len(pixels) // SAMPLE, 1)
        pixels = pixels[::step]
        self.mean = pixels.mean(0)
        _, _, components = torch.linalg.svd(pixels - self.mean, full_matrices=False)
        components = components[:3]
        if len(components) < 3:  # fewer channels or pixels than colours
            components = torch.cat(
                [components, components.new_zeros(3 - len(components), len(self.mean))]
            )
        # A component's sign is arbitrary: fixed here so that the same features look the same.
        signs = components.gather(1, components.abs().argmax(1, keepdim=True)).sign()
        self.components = components * torch.where(signs == 0, 1, signs)
        projected = (pixels - self.mean) @ self.components.T
        self.low, self.high = projected.quantile(0.01, 0), projected.quantile(0.99, 0)

    def __call__(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
        """RGB in [0, 1]."""
        b, _, h, w = features.shape
        out = torch.empty(b, 3, h, w, device=features.device)
        # A few rows at a time, of which copies are made. Nothing small may outlive them: it would
        # keep the allocator from using their place again.
        rows = max(AT_ONCE // w, 1)
        for y in range(0, h, rows):
            out[:, :, y : y + rows] = self._coloured(features[:, :, y : y + rows])
        return out

    def _coloured(self, features: Tensor) -> Tensor:
        b, _, h, w = features.shape
        projected = (_pixels(features.float()) - self.mean) @ self.components.T
        colours = (projected - self.low) / (self.high - self.low).clamp(min=1e-12)
        return colours.clamp(0, 1).reshape(b, h, w, 3).permute(0, 3, 1, 2)


def _pixels(features: Tensor) -> Tensor:
    return features.permute(0, 2, 3, 1).flatten(0, 2)


def side_by_side(
    images: list[tuple[str, Float[Tensor, "1 3 h w"]]], height: int = 360, gap: int = 8
) -> Float[Tensor, "3 H W"]:
    """Pictures in a row, each with its caption, pixels shown as squares.

    Args:
        images: captions and pictures, RGB in [0, 1].
        height: of each picture, in pixels.
        gap: between them.
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=max(height // 22, 10))
    caption = height // 12
    pictures = []
    for _, image in images:
        h, w = image.shape[2:]
        array = (image[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
        shrink = Image.Resampling.LANCZOS if h > height else Image.Resampling.NEAREST
        pictures.append(
            Image.fromarray(array).resize((max(round(w * height / h), 1), height), shrink)
        )
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, height + caption), "white")
    draw, x = ImageDraw.Draw(canvas), 0
    for (text, _), picture in zip(images, pictures, strict=True):
        canvas.paste(picture, (x, caption))
        draw.text((x + 2, caption // 6), text, fill="black", font=font)
        x += picture.width + gap
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).float() / 255


def save_png(image: Float[Tensor, "3 h w"], path: str | Path) -> None:
    """Write RGB in [0, 1] as PNG; the file appears whole or not at all."""
    from PIL import Image

    path = Path(path)
    array = (image.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
    unfinished = path.with_name(path.name + ".tmp")
    Image.fromarray(array).save(unfinished, format="PNG", optimize=True)
    unfinished.replace(path)
