"""Noise with a red area, in the layout of BSDS500: the segments are the noise and the area."""

from pathlib import Path

from PIL import Image


def write_bsds(root: Path, count: int = 3) -> Path:
    """Writes images and segments of the splits train and val."""
    for split in ("train", "val"):
        for folder in ("images", "segments"):
            (root / split / folder).mkdir(parents=True)
        for i in range(count):
            image = Image.effect_noise((80, 72), 40).convert("RGB")
            image.paste((200, 30, 30), (30 + i, 0, 80, 72))
            image.save(root / split / "images" / f"{i}.jpg")
            segments = Image.new("L", (80, 72), 1)
            segments.paste(2, (30 + i, 0, 80, 72))
            segments.save(root / split / "segments" / f"{i}_0.png")
    return root
