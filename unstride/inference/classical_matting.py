"""Classical matting by pymatting: alpha by closed form, KNN and learning, and foreground colours.

Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting", TPAMI 2008; Chen, Li,
Tang, "KNN Matting", CVPR 2012; Zheng and Kambhamettu, "Learning Based Digital Matting", ICCV 2009;
Germer et al., "Fast Multi-Level Foreground Estimation", ICPR 2020. Needs the extra "matting".
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from unstride.formats.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from unstride.transforms.resize import resize_bilinear
from unstride.upsamplers.guided_filter import GuidedFilter

MAX_PIXELS = 1_000_000  # of the image on which the systems of equations are solved
GUIDE_VARIANCE = 1e-5  # of colours in [0, 1] that counts as none, when a matte is enlarged

Image = Float[Tensor, "1 3 h w"]
Trimap = UInt8[Tensor, "h w"]
Alpha = Float[Tensor, "h w"]


def load_pymatting() -> Any:
    """The package; importing it resets OpenMP's threads, and so torch's, to one per core."""
    threads = torch.get_num_threads()
    import pymatting

    torch.set_num_threads(threads)
    return pymatting


def closed_form(image: Image, trimap: Trimap) -> Alpha:
    """Alpha is locally a linear function of the colours."""
    return on_small_copy(load_pymatting().estimate_alpha_cf, image, trimap)


def knn(image: Image, trimap: Trimap) -> Alpha:
    """Pixels of alike colours and places have alike alpha."""
    return on_small_copy(load_pymatting().estimate_alpha_knn, image, trimap)


def learning_based(image: Image, trimap: Trimap) -> Alpha:
    """Alpha is predicted from each window's colours by ridge regression."""
    return on_small_copy(load_pymatting().estimate_alpha_lbdm, image, trimap)


def on_small_copy(
    estimate: Callable[..., Any], image: Image, trimap: Trimap, max_pixels: int = MAX_PIXELS
) -> Alpha:
    """Estimate alpha on a copy of at most `max_pixels`, and enlarge it guided by the image.

    Time and memory grow faster than the number of pixels. The matte of a smaller copy is enlarged
    as a local linear function of the colours, see `GuidedFilter`.

    Args:
        estimate: called with an image "h w 3" and a trimap, both in [0, 1].
        image: RGB in [0, 1].
        trimap: 0, 128 and 255.
        max_pixels: of the copy.
    """
    size = image.shape[2], image.shape[3]
    scale = min((max_pixels / (size[0] * size[1])) ** 0.5, 1.0)
    small_size = max(int(size[0] * scale), 1), max(int(size[1] * scale), 1)
    small = resize_bilinear(image.cpu(), small_size).clamp(0, 1)
    small_trimap = resized_trimap(trimap.cpu(), small_size)
    array = small[0].permute(1, 2, 0).double().numpy()
    solved = estimate(np.ascontiguousarray(array), small_trimap.double().numpy() / FOREGROUND)
    alpha = torch.from_numpy(solved).float().clamp(0, 1)[None, None]
    if small_size != size:
        enlarge = GuidedFilter(1, guide_channels=3, radius=1, epsilon=GUIDE_VARIANCE)
        alpha = enlarge(alpha, image.cpu(), size).clamp(0, 1)
    return alpha[0, 0]


def resized_trimap(trimap: Trimap, size: tuple[int, int]) -> Trimap:
    """A smaller trimap, in which a pixel is known only if all that it covers is."""
    if tuple(trimap.shape) == tuple(size):
        return trimap
    known = [
        resize_bilinear((trimap == value).float()[None, None], size)[0, 0] > 1 - 1e-4
        for value in (FOREGROUND, BACKGROUND)
    ]
    result = torch.full(size, UNKNOWN, dtype=torch.uint8)
    result[known[0]], result[known[1]] = FOREGROUND, BACKGROUND
    if not all((result == value).any() for value in (FOREGROUND, BACKGROUND)):
        raise ValueError("trimap must have known regions that a smaller copy still shows")
    return result


def foreground_colours(image: Image, alpha: Alpha) -> Image:
    """The colours of the foreground, without what shines through from the background.

    Args:
        image: RGB in [0, 1].
        alpha: in [0, 1].
    """
    array = np.ascontiguousarray(image[0].permute(1, 2, 0).cpu().double().numpy())
    colours = load_pymatting().estimate_foreground_ml(array, alpha.cpu().double().numpy())
    return torch.from_numpy(np.asarray(colours)).float().permute(2, 0, 1)[None].clamp(0, 1)


CLASSICAL_MATTING: dict[str, Callable[[Image, Trimap], Alpha]] = {
    "closed_form": closed_form,
    "knn": knn,
    "learning_based": learning_based,
}
