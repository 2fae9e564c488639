"""Depth errors: Eigen, Puhrsch, Fergus, NeurIPS 2014, arXiv:1406.2283, section 4.2.

Usual settings: NYUv2 caps (0.001, 10) and no alignment; KITTI caps (0.001, 80), with "median" for
networks trained without depth; "scale_shift" for relative depth. "scale_shift" is fitted to depth,
not to its inverse as in MiDaS (Ranftl et al., PAMI 2020), because the prediction is depth.

KITTI is usually cropped: "garg" (Garg et al., ECCV 2016, arXiv:1603.04992), or "eigen" in older
papers. The numbers are those of the evaluation code of Godard et al. (CVPR 2017,
arXiv:1609.03677), which rounds bounds down. NYUv2's "eigen" crop is a different one.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric

from unstride.metrics.checks import check_same_size

ALIGNMENTS = ("none", "median", "scale_shift")
AVERAGES = ("image", "pixel")
ERROR_NAMES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "delta1", "delta2", "delta3")
ROOT_INDICES = (2, 3)  # errors whose root is taken after the mean
CROPS = {  # top, bottom, left, right, as shares of the image's height and width
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
}


def depth_errors(
    prediction: Float[Tensor, "h w"],
    target: Float[Tensor, "h w"],
    *,
    caps: tuple[float, float] = (0.001, 10.0),
    alignment: str = "none",
    crop: str | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """The errors of one image by name; NaN if it has no valid pixel.

    abs_rel = mean |p - g| / g, sq_rel = mean (p - g)^2 / g, rmse = sqrt mean (p - g)^2, rmse_log
    the same of natural logarithms, delta_n = share of max(p / g, g / p) < 1.25^n.

    Args:
        prediction: metres, or any unit if it is aligned.
        target: metres, 0 = unknown. Valid where strictly between the caps.
        caps: lowest and highest depth in metres. The aligned prediction is clamped to them.
        alignment: "none", "median" (times median g / median p), or "scale_shift" (a p + b by least
            squares), fitted to the valid pixels of the image.
        crop: "garg" or "eigen": only this part of a KITTI image is valid. Default: the whole image.

    Raises:
        ValueError: if the sizes differ, or `caps`, `alignment` or `crop` is invalid.
    """
    _check_settings(caps, alignment, crop)
    check_same_size(prediction.shape, target.shape)
    region = crop_slices((target.shape[0], target.shape[1]), crop)
    mean_errors, _ = _mean_errors(prediction[region], target[region], caps, alignment)
    return _error_dict(_take_roots(mean_errors))


def crop_slices(size: tuple[int, int], crop: str | None) -> tuple[slice, slice]:
    """Rows and columns of a crop, for an image of this size; bounds are rounded down."""
    if crop is None:
        return slice(None), slice(None)
    height, width = size
    top, bottom, left, right = CROPS[crop]
    rows = slice(int(top * height), int(bottom * height))
    return rows, slice(int(left * width), int(right * width))


class DepthErrors(Metric):
    """The errors of `depth_errors` over a data set: the mean over images, or over all pixels.

    Args:
        caps: see `depth_errors`.
        alignment: see `depth_errors`. Each image is aligned by itself.
        average: "image": mean of the images' errors, without images that have no valid pixel.
            "pixel": one mean over all valid pixels, whose roots are taken last.
        crop: see `depth_errors`.

    Raises:
        ValueError: if an argument is invalid.
    """

    full_state_update = False
    error_sum: Tensor
    count: Tensor

    def __init__(
        self,
        caps: tuple[float, float] = (0.001, 10.0),
        alignment: str = "none",
        average: str = "image",
        crop: str | None = None,
    ):
        super().__init__()
        _check_settings(caps, alignment, crop)
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {', '.join(AVERAGES)}, got {average!r}")
        self.caps, self.alignment, self.average, self.crop = caps, alignment, average, crop
        error_sum = torch.zeros(len(ERROR_NAMES), dtype=torch.float64)
        self.add_state("error_sum", error_sum, dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Float[Tensor, "b h w"], target: Float[Tensor, "b h w"]) -> None:
        """Add images.

        Raises:
            ValueError: if the sizes differ.
        """
        check_same_size(prediction.shape, target.shape)
        rows, columns = crop_slices((target.shape[-2], target.shape[-1]), self.crop)
        region = ..., rows, columns
        for image, truth in zip(prediction[region], target[region], strict=True):
            mean_errors, pixels = _mean_errors(image, truth, self.caps, self.alignment)
            if pixels and self.average == "image":
                self.error_sum += _take_roots(mean_errors)
                self.count += 1
            elif pixels:
                self.error_sum += mean_errors * pixels
                self.count += pixels

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """The errors by name; NaN if there was no valid pixel."""
        means = self.error_sum / self.count
        return _error_dict(_take_roots(means) if self.average == "pixel" else means)


def align(
    prediction: Float[Tensor, " n"], target: Float[Tensor, " n"], alignment: str
) -> Float[Tensor, " n"]:
    """Apply the scale, or scale and shift, that best fits the prediction to the target."""
    if alignment == "median":
        return prediction * (_median(target) / _median(prediction))
    if alignment == "scale_shift":
        centred = prediction - prediction.mean()
        variance_sum = centred.square().sum()
        covariance_sum = (centred * (target - target.mean())).sum()
        slope = covariance_sum / variance_sum if variance_sum > 0 else 0
        return target.mean() + slope * centred
    return prediction


def _mean_errors(
    prediction: Tensor, target: Tensor, caps: tuple[float, float], alignment: str
) -> tuple[Float[Tensor, "7"], int]:
    """The mean of each error before roots, and the number of valid pixels."""
    is_valid: Bool[Tensor, "h w"] = (target > caps[0]) & (target < caps[1])
    g, p = target[is_valid].double(), prediction[is_valid].double()
    pixels = len(g)
    if not pixels:
        nan = torch.full((len(ERROR_NAMES),), torch.nan, dtype=torch.float64, device=g.device)
        return nan, 0
    p = align(p, g, alignment).clamp(*caps)
    square, ratio = (p - g).square(), torch.maximum(p / g, g / p)
    errors = [(p - g).abs() / g, square / g, square]
    errors += [(p.log() - g.log()).square(), *(ratio < 1.25**n for n in (1, 2, 3))]
    return torch.stack([error.double().mean() for error in errors]), pixels


def _take_roots(mean_errors: Float[Tensor, "7"]) -> Float[Tensor, "7"]:
    return torch.stack([m.sqrt() if i in ROOT_INDICES else m for i, m in enumerate(mean_errors)])


def _error_dict(errors: Float[Tensor, "7"]) -> dict[str, Float[Tensor, ""]]:
    return dict(zip(ERROR_NAMES, errors.unbind(), strict=True))


def _median(values: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    values = values.sort().values  # torch.median takes the lower of the middle two
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def _check_settings(caps: tuple[float, float], alignment: str, crop: str | None) -> None:
    if not 0 < caps[0] < caps[1]:
        raise ValueError(f"caps must be two depths in metres, 0 < lowest < highest, got {caps}")
    if alignment not in ALIGNMENTS:
        raise ValueError(f"alignment must be one of {', '.join(ALIGNMENTS)}, got {alignment!r}")
    if crop is not None and crop not in CROPS:
        raise ValueError(f"crop must be one of {', '.join(CROPS)} or None, got {crop!r}")
