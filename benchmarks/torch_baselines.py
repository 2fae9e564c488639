"""The usual ways to write reassembly and FeatUp's stack in plain torch: what users have today."""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad, unfold


def upsample_unfold_einsum(features: Tensor, weights: Tensor) -> Tensor:
    """Nearest upsampling, then a dilated unfold: k^2 copies of the output, then an einsum."""
    b, c, h, _ = features.shape
    k, H, W = weights.shape[2], *weights.shape[4:]
    scale = H // h
    fine = interpolate(features, (H, W), mode="nearest")
    windows = unfold(fine, k, dilation=scale, padding=k // 2 * scale).view(b, c, k * k, H, W)
    return torch.einsum("bckyx, bkyx -> bcyx", windows, weights[:, 0].flatten(1, 2))


def unfold_einsum(features: Tensor, weights: Tensor) -> Tensor:
    """Unfold at low resolution, then an einsum over taps and the phases of each cell."""
    b, c, h, w = features.shape
    k, H, W = weights.shape[2], *weights.shape[4:]
    windows = unfold(features, k, padding=k // 2).view(b, c, k * k, h, w)
    phases = weights[:, 0].flatten(1, 2).unflatten(3, (w, W // w)).unflatten(2, (h, H // h))
    return torch.einsum("bckij, bkiujv -> bciujv", windows, phases).reshape(b, c, H, W)


def tap_loop(features: Tensor, weights: Tensor) -> Tensor:
    """Nearest upsampling once, then one `addcmul_` for each tap: the best that plain torch has."""
    k, H, W = weights.shape[2], *weights.shape[4:]
    scale = H // features.shape[2]
    margin = k // 2 * scale
    fine = pad(interpolate(features, (H, W), mode="nearest"), (margin,) * 4)
    out = torch.zeros_like(fine[..., :H, :W])
    for p in range(k):
        for q in range(k):
            tap = fine[..., p * scale : p * scale + H, q * scale : q * scale + W]
            out.addcmul_(tap, weights[:, :, p, q])
    return out


class PublishedStack(nn.Module):
    """FeatUp's stack as released, its CUDA kernel replaced by a loop over taps.

    Args:
        stack: a `FeatUpStack`, of which it takes the parameters.
    """

    def __init__(self, stack: nn.Module):
        super().__init__()
        self.stack = stack

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        """Features at 2^stages times the grid."""
        guide = (guide - self.stack.mean) / self.stack.std
        for stage in self.stack.stages:
            h, w = features.shape[2] * 2, features.shape[3] * 2
            features = self.doubled(stage, features, adaptive_avg_pool2d(guide, (h, w)))
        return features + 0.1 * self.stack.mix(features)

    def doubled(self, stage: nn.Module, features: Tensor, guide: Tensor) -> Tensor:
        """One stage, with the order of the released code and its unfolded range kernel."""
        (b, _, h, w), side, r = guide.shape, stage.kernel_size, stage.kernel_size // 2
        keys = stage.key(guide)
        windows = unfold(pad(keys, (r,) * 4, mode="reflect"), side).view(b, -1, side**2, h, w)
        scores = torch.einsum("bckyx, bcyx -> bkyx", windows, keys)
        likeness = (stage.log_temperature.exp().clamp(1e-4, 1e4) * scores).softmax(1)
        weights = likeness * stage.spatial_kernel()
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-7)
        weights = weights + 0.1 * stage.correction(torch.cat([weights, guide], 1))
        fine = interpolate(features, (h, w), mode="bicubic", align_corners=False)
        fine = pad(fine, (r,) * 4, mode="reflect")
        out = torch.zeros_like(fine[..., :h, :w])
        for p in range(side):
            for q in range(side):
                out.addcmul_(fine[..., p : p + h, q : q + w], weights[:, p * side + q, None])
        return out
