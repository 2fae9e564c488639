"""`make dejavu-pictures`: a photograph, redacted and regenerated: docs/dejavu_redactions.jpg.

For each redaction a regeneration module learns this one photograph. Its condition are regions of
similar colour, in the place of a network's prediction. So the picture shows what the parts do, not
how well a network learns.
"""

import argparse
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from benchmarks.gallery import save_jpeg
from unstride import Regeneration, RegenerationOptions
from unstride.viz import captioned_row

SIZE = (192, 192)
REGIONS = 12
REDACTIONS = {
    "random_pixels": {"fraction": 0.75},
    "random_blocks": {},
    "checkerboard": {},
    "low_pass": {"cutoff": 0.06},
    "high_pass": {"cutoff": 0.06},
    "band_stop": {"low": 0.03, "high": 0.35},
}


def main() -> None:
    """Train the modules and draw the picture."""
    parser = argparse.ArgumentParser(
        prog="make dejavu-pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=120, help="of each module (default: 120)")
    parser.add_argument("--out", type=Path, default=Path("docs/dejavu_redactions.jpg"))
    options = parser.parse_args()
    import skimage.data

    photo = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None] / 255
    photo = interpolate(photo, SIZE, mode="bilinear", antialias=True)
    logits = 20.0 * colour_regions(photo)
    rows = []
    for name, redaction_options in track(REDACTIONS.items(), "redactions"):
        regenerated = regenerate(photo, logits, name, redaction_options, options.steps)
        rows.append(
            captioned_row(
                [
                    (name, regenerated.redacted.clamp(0, 1)),
                    ("regenerated", regenerated.regenerated.clamp(0, 1)),
                    ("true", photo),
                ],
                height=180,
            )
        )
    columns = torch.cat(rows[:3], 1), torch.cat(rows[3:], 1)
    save_jpeg(torch.cat(columns, 2), options.out)


def colour_regions(photo: Tensor) -> Tensor:
    """One-hot maps of regions of similar colour, by k-means on the blurred photograph."""
    coarse = interpolate(photo, scale_factor=0.25, mode="bilinear", antialias=True)
    pixels = coarse[0].flatten(1).T
    generator = torch.Generator().manual_seed(0)
    centres = pixels[torch.randperm(len(pixels), generator=generator)[:REGIONS]]
    for _ in range(20):
        nearest = torch.cdist(pixels, centres).argmin(1)
        members = [pixels[nearest == i] for i in range(REGIONS)]
        centres = torch.stack(
            [m.mean(0) if len(m) else c for m, c in zip(members, centres, strict=True)]
        )
    nearest = torch.cdist(photo[0].flatten(1).T, centres).argmin(1)
    return one_hot(nearest.view(SIZE), REGIONS).permute(2, 0, 1)[None].float()


def regenerate(photo: Tensor, logits: Tensor, name: str, options: dict[str, float], steps: int):
    """What a module makes of the redacted photograph after some steps of training."""
    module = Regeneration(
        {"classes": REGIONS}, RegenerationOptions(redaction=name, redaction_options=options)
    )
    optimizer = torch.optim.Adam(module.parameters(), 5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        module(photo, {"classes": logits}).backward()
        optimizer.step()
    return module.last


if __name__ == "__main__":
    main()
