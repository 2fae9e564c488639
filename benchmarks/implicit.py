"""`make implicit`: fits featup_implicit to photographs from scikit-image.

Prints for each photograph the time and the error on views that the fit did not see, next to
bilinear's. Draws the photograph, the backbone's cells, bilinear, featup_jbu and the network in one
colour space. The results are in docs/featup_implicit.md.
"""

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from benchmarks.gallery import save_jpeg
from unstride import DenseFeatures, create_backbone, create_upsampler, fit_implicit
from unstride.inference.progress import fit_progress_bar
from unstride.viz import PCAColours, captioned_row

PHOTOS = {"astronaut": (0, 40), "chelsea": (0, 110)}  # top and left of the crop that is shown
CROP_SIZE = 288, 320


def main() -> None:
    """Fit each photograph, print its line, and draw its row."""
    import skimage.data

    parser = argparse.ArgumentParser(prog="make implicit", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/featup_implicit.jpg"))
    parser.add_argument("--stride", type=int, default=None)
    options, console, rows = parser.parse_args(), Console(highlight=False), []
    backbone = create_backbone(stride=options.stride)
    for name, (top, left) in PHOTOS.items():
        photo = torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1)[None] / 255
        photo = photo[:, :, top : top + CROP_SIZE[0], left : left + CROP_SIZE[1]]
        start, cpu = time.perf_counter(), time.process_time()
        with Progress(console=console, transient=True) as progress:
            fitted = fit_implicit(backbone, photo, on_progress=fit_progress_bar(progress))
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        record = fitted.fit_records[0]
        console.print(
            f"{name}, {photo.shape[2]} x {photo.shape[3]}: error {record.best_error:.3f}, "
            f"bilinear's {record.bilinear_error:.3f}; {record.error_curve[-1][0]} steps; "
            f"{record.explained_variance_ratio:.1%} of the variance in the components; "
            f"{seconds:.0f} s, {cpu:.0f} s of one core"
        )
        rows.append(picture_row(photo, backbone, fitted))
    width = max(row.shape[2] for row in rows)
    drawn = [torch.nn.functional.pad(row, (0, width - row.shape[2]), value=1) for row in rows]
    save_jpeg(torch.cat(drawn, 1), options.out)
    console.print(f"The picture is {options.out}")


@torch.inference_mode()
def picture_row(photo, backbone, fitted):
    """Draw the photograph and maps of its features, in the colours of the backbone's features."""
    coarse, (h, w) = backbone(photo), photo.shape[2:]
    colours = PCAColours(coarse)
    cells = torch.nn.functional.interpolate(
        colours(coarse), backbone.padded_size((h, w)), mode="nearest-exact"
    )
    drawn = [("photo", photo), (f"features, stride {backbone.stride}", cells[..., :h, :w])]
    for name in ("bilinear", "featup_jbu"):
        up = create_upsampler(name, backbone.channels, backbone.stride).eval()
        drawn.append((name, colours(DenseFeatures(backbone, up)(photo))))
    drawn.append(("featup_implicit", colours(DenseFeatures(backbone, fitted)(photo))))
    return captioned_row(drawn, height=260)


if __name__ == "__main__":
    main()
