"""`make implicit-choices DATA=...`: what the defaults of featup_implicit were chosen by.

DATA holds camvid/. Fits crops of CamVid's validation images in several ways; prints for each the
error on views held out, relative to bilinear's, and the accuracy near boundaries of a linear layer
that was fitted to bilinear features of training images.
"""

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from torch.nn.functional import interpolate, max_pool2d, one_hot

from unstride import DenseFeatures, create_backbone, create_upsampler, fit_implicit, load_image

NUM_CLASSES = 11
CROP = slice(100, 324), slice(100, 388)
FAST_OPTIONS = {"steps": 60, "views": 64}
VARIANTS: dict[str, dict] = {
    "default": {},
    "frequencies to exp(10)": {"max_log_frequency": 10.0},
    "frequencies to exp(4)": {"max_log_frequency": 4.0},
    "blur of two cells": {"kernel_cells": 2.0},
    "starts from nothing": {"base": "nothing"},
    "averages of pixels": {"sample_pixels": False},
    "4 x 4 samples to a cell": {"pixels_per_cell": 4},
    "attention_pool": {"downsampler": "attention_pool"},
    "no prior on the magnitude": {"smoothness": 0.0},
    "learning rate 2e-3": {"learning_rate": 2e-3},
    "240 steps": {"steps": 240},
}


def main() -> None:
    """A row for each upsampler, and for each way of fitting."""
    parser = argparse.ArgumentParser(prog="make implicit-choices", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="", help="ways whose name has this in it")
    options, console = parser.parse_args(), Console(highlight=False, width=120)
    backbone = create_backbone()
    probe = fit_probe(backbone, sorted(options.data.glob("camvid/train/images/*.jpg"))[::4])
    crops = [
        (load_image(path)[:, :, *CROP], load_labels(path)[CROP])
        for path in sorted(options.data.glob("camvid/val/images/*.jpg"))[5::30]
    ]
    for name in ("bilinear", "joint_bilateral", "featup_jbu"):
        model = DenseFeatures(backbone, create_upsampler(name, backbone.channels, 32).eval())
        found = [boundary_accuracy(model, probe, *crop) for crop in crops]
        console.print(f"{name}: accuracy near boundaries {sum(found) / len(found):.4f}")
    for name, way in VARIANTS.items():
        if options.only not in name:
            continue
        start, found, errors = time.process_time(), [], []
        for image, truth in crops:
            fitted = fit_implicit(backbone, image, **FAST_OPTIONS | way)
            record = fitted.fit_records[0]
            errors.append(record.best_error / record.bilinear_error)
            found.append(boundary_accuracy(DenseFeatures(backbone, fitted), probe, image, truth))
        seconds = (time.process_time() - start) / len(crops)
        console.print(
            f"{name}: error {' '.join(f'{error:.3f}' for error in errors)} of bilinear's, accuracy "
            f"near boundaries {' '.join(f'{one:.3f}' for one in found)}, mean "
            f"{sum(found) / len(found):.4f}; {seconds:.0f} s of one core each"
        )


def load_labels(path: Path) -> torch.Tensor:
    """CamVid's class of each pixel of an image; 11 where there is none."""
    import numpy as np
    from PIL import Image

    with Image.open(path.parent.parent / "labels" / f"{path.stem}.png") as image:
        return torch.from_numpy(np.array(image)).long()


@torch.inference_mode()
def fit_probe(backbone, paths) -> torch.Tensor:
    """Least squares from bilinear features at stride 4, and one, to the class."""
    model = DenseFeatures(backbone, create_upsampler("bilinear", backbone.channels))
    within: torch.Tensor | float = 0.0
    across: torch.Tensor | float = 0.0
    for path in paths:
        truth = load_labels(path)[2::4, 2::4]
        features = model(load_image(path), tuple(truth.shape))[0].flatten(1).T.double()
        features = torch.cat([features, torch.ones(len(features), 1)], 1)[
            truth.flatten() < NUM_CLASSES
        ]
        within = within + features.T @ features
        classes = one_hot(truth[truth < NUM_CLASSES], NUM_CLASSES).double()
        across = across + features.T @ classes
    damped = within + 1e-3 * within.diagonal().mean() * torch.eye(len(within))
    return torch.linalg.solve(damped, across).float()


@torch.inference_mode()
def boundary_accuracy(model, probe, image, truth) -> float:
    """Share of right pixels within four pixels of a boundary between classes."""
    scores = torch.einsum("chw, ck -> khw", model(image)[0], probe[:-1]) + probe[-1][:, None, None]
    guess = interpolate(scores[None], truth.shape, mode="bilinear")[0].argmax(0)
    marks = truth.float()[None, None]
    near = max_pool2d(marks, 9, 1, 4) != -max_pool2d(-marks, 9, 1, 4)
    counted = near[0, 0] & (truth < NUM_CLASSES)
    return (guess == truth)[counted].float().mean().item()


if __name__ == "__main__":
    main()
