"""Errors of predicted depth. Eigen, Puhrsch, Fergus, NeurIPS 2014, arXiv:1406.2283, section 4.2.

Usual settings: NYUv2 caps (0.001, 10) and no alignment; KITTI caps (0.001, 80), with "median" for
nets that learned without depth; "scale_shift" for relative depth. The last is fitted to depth, not
to its inverse as MiDaS does (Ranftl et al., PAMI 2020), since the prediction is depth.

On KITTI a crop is usual: "garg" (Garg et al., ECCV 2016, arXiv:1603.04992), or "eigen" in the older
papers. Both are known by the numbers in the evaluation code of Godard et al. (CVPR 2017,
arXiv:1609.03677), where bounds are rounded down. NYUv2's crop of the same name is another.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric

ALIGNMENTS = ("none", "median", "scale_shift")
ERROR_NAMES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "delta1", "delta2", "delta3")
ROOT_INDICES = (2, 3)  # of these the root is taken after the mean
CROPS = {  # top, bottom, left, right, as shares of the picture's height and width
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
    """The errors of one image; NaN if it has no valid pixel.

    abs_rel = mean |p - g| / g, sq_rel = mean (p - g)^2 / g, rmse = sqrt mean (p - g)^2, rmse_log
    the same of natural logarithms, delta_n = share of max(p / g, g / p) < 1.25^n.

    Args:
        prediction: metres, or any unit if it is aligned.
        target: metres; valid where it lies strictly between the caps (0 is unknown).
        caps: lowest and highest depth in metres; the aligned prediction is clamped to them.
        alignment: "none", "median" (times median g / median p), or "scale_shift" (a p + b by least
            squares), on the valid pixels of the image.
        crop: "garg" or "eigen": of KITTI's pictures only this part is valid; by default all is.

    Raises:
        ValueError: if the sizes differ, or `caps`, `alignment` or `crop` is none.
    """
    _check_settings(caps, alignment, crop)
    _check_sizes(prediction, target)
    part = crop_slices((target.shape[0], target.shape[1]), crop)
    means, _ = _mean_errors(prediction[part], target[part], caps, alignment)
    return _error_dict(_take_roots(means))


def crop_slices(size: tuple[int, int], crop: str | None) -> tuple[slice, slice]:
    """The rows and columns of a picture of this size that a crop leaves, bounds rounded down."""
    if crop is None:
        return slice(None), slice(None)
    height, width = size
    top, bottom, left, right = CROPS[crop]
    return slice(int(top * height), int(bottom * height)), slice(
        int(left * width), int(right * width)
    )


class DepthErrors(Metric):
    """The errors of `depth_errors` over a set: the mean over images, or over all pixels.

    Args:
        caps: as in `depth_errors`.
        alignment: as in `depth_errors`; always of each image by itself.
        average: "image" for the mean of the images' errors, those without a valid pixel left out;
            "pixel" for one mean over all valid pixels, of which the roots are taken last.
        crop: as in `depth_errors`.

    Raises:
        ValueError: if one of them is none of those.
    """

    full_state_update = False
    total: Tensor
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
        if average not in ("image", "pixel"):
            raise ValueError(f"average {average!r}: there are image, pixel")
        self.caps, self.alignment, self.average, self.crop = caps, alignment, average, crop
        total = torch.zeros(len(ERROR_NAMES), dtype=torch.float64)
        self.add_state("total", total, dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Float[Tensor, "b h w"], target: Float[Tensor, "b h w"]) -> None:
        """Adds images.

        Raises:
            ValueError: if the sizes differ.
        """
        _check_sizes(prediction, target)
        rows, columns = crop_slices((target.shape[-2], target.shape[-1]), self.crop)
        part = ..., rows, columns
        for image, truth in zip(prediction[part], target[part], strict=True):
            means, pixels = _mean_errors(image, truth, self.caps, self.alignment)
            if pixels and self.average == "image":
                self.total += _take_roots(means)
                self.count += 1
            elif pixels:
                self.total += means * pixels
                self.count += pixels

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """The errors by name; NaN if there was no valid pixel."""
        means = self.total / self.count
        return _error_dict(_take_roots(means) if self.average == "pixel" else means)


def align(
    prediction: Float[Tensor, " n"], target: Float[Tensor, " n"], alignment: str
) -> Float[Tensor, " n"]:
    """The prediction with the scale, or scale and shift, that fits the target best."""
    if alignment == "median":
        return prediction * (_median(target) / _median(prediction))
    if alignment == "scale_shift":
        centred = prediction - prediction.mean()
        spread = centred.square().sum()
        slope = (centred * (target - target.mean())).sum() / spread if spread > 0 else 0
        return target.mean() + slope * centred
    return prediction


def _mean_errors(
    prediction: Tensor, target: Tensor, caps: tuple[float, float], alignment: str
) -> tuple[Float[Tensor, "7"], int]:
    valid: Bool[Tensor, "h w"] = (target > caps[0]) & (target < caps[1])
    true, found = target[valid].double(), prediction[valid].double()
    pixels = len(true)
    if not pixels:
        return torch.full(
            (len(ERROR_NAMES),), torch.nan, dtype=torch.float64, device=true.device
        ), 0
    found = align(found, true, alignment).clamp(*caps)
    square, ratio = (found - true).square(), torch.maximum(found / true, true / found)
    errors = [(found - true).abs() / true, square / true, square]
    errors += [(found.log() - true.log()).square(), *(ratio < 1.25**n for n in (1, 2, 3))]
    return torch.stack([error.double().mean() for error in errors]), pixels


def _take_roots(means: Float[Tensor, "7"]) -> Float[Tensor, "7"]:
    return torch.stack([m.sqrt() if i in ROOT_INDICES else m for i, m in enumerate(means)])


def _error_dict(errors: Float[Tensor, "7"]) -> dict[str, Float[Tensor, ""]]:
    return dict(zip(ERROR_NAMES, errors.unbind(), strict=True))


def _median(values: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    values = values.sort().values  # torch.median takes the lower of the middle two
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def _check_settings(caps: tuple[float, float], alignment: str, crop: str | None) -> None:
    if not 0 < caps[0] < caps[1]:
        raise ValueError(f"caps {caps}: two depths in metres, 0 < lowest < highest")
    if alignment not in ALIGNMENTS:
        raise ValueError(f"alignment {alignment!r}: there are {', '.join(ALIGNMENTS)}")
    if crop is not None and crop not in CROPS:
        raise ValueError(f"crop {crop!r}: there are {', '.join(CROPS)}, or none")


def _check_sizes(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        sizes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"prediction and target: {sizes}, one size is needed")
