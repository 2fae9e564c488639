"""`make demo`: upsamples photographs from scikit-image to every pixel and draws one picture."""

import time
from pathlib import Path

import torch
from rich.console import Console

from unstride import DenseFeatures, create_backbone, create_upsampler
from unstride.viz import PCAColours, captioned_row, save_png

OUT = Path("demo")
PHOTOS = {"chelsea": "chelsea", "astronaut": "astronaut", "coffee": "coffee"}


def main() -> None:
    """Upsample each photograph, and print where the picture is."""
    import skimage.data

    console, start = Console(highlight=False), time.perf_counter()
    OUT.mkdir(exist_ok=True)
    backbone = create_backbone()
    model = DenseFeatures(backbone, create_upsampler("featup_jbu", backbone.channels)).eval()
    console.print("One backbone pass a photo, then every pixel (the kernels compile once).")
    rows = []
    for name, function in PHOTOS.items():
        photo = torch.from_numpy(getattr(skimage.data, function)()).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            coarse = backbone(photo)
            fine = model.upsample(coarse, photo)
        rows.append(comparison_picture(photo, coarse, fine, backbone))
        console.print(f"  {name}: {tuple(coarse.shape[2:])} -> {tuple(fine.shape[2:])}")
    width = max(row.shape[2] for row in rows)
    rows = [torch.nn.functional.pad(row, (0, width - row.shape[2]), value=1) for row in rows]
    save_png(torch.cat(rows, 1), OUT / "features.png")
    console.print(f"The picture is {OUT}/features.png ({time.perf_counter() - start:.0f} s).")


def comparison_picture(photo, coarse, fine, backbone):
    """Draw the photo, the backbone's features and the upsampled features in one colour space."""
    colours = PCAColours(coarse)
    h, w = photo.shape[2:]
    padded = backbone.padded_size((h, w))
    blocks = torch.nn.functional.interpolate(colours(coarse), padded, mode="nearest-exact")
    return captioned_row(
        [
            ("photo", photo),
            (f"features of {backbone.name}, stride {backbone.stride}", blocks[..., :h, :w]),
            ("the same, at every pixel", colours(fine)),
        ],
        height=300,
    )


if __name__ == "__main__":
    main()
