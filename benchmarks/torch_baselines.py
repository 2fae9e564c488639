"""Baselines in plain torch: the usual ways to write reassembly and FeatUp's stack."""

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
    """Nearest upsampling once, then one `addcmul_` per tap: the fastest in plain torch."""
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
    """FeatUp's stack as released, with a loop over taps in place of its CUDA kernel.

    Args:
        stack: the `FeatUpStack` whose parameters are used.
    """

    def __init__(self, stack: nn.Module):
        super().__init__()
        self.stack = stack

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        """Upsample features to 2^stages times the size of their grid."""
        guide = (guide - self.stack.mean) / self.stack.std
        for stage in self.stack.stages:
            h, w = features.shape[2] * 2, features.shape[3] * 2
            features = self.run_stage(stage, features, adaptive_avg_pool2d(guide, (h, w)))
        return features + 0.1 * self.stack.mix(features)

    def run_stage(self, stage: nn.Module, features: Tensor, guide: Tensor) -> Tensor:
        """Run one stage in the order of the released code, with its unfolded range kernel."""
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
