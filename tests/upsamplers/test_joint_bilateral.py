"""Joint bilateral upsampling against the paper's equation, pixel by pixel."""

import math

import torch

from unstride.upsamplers import JointBilateral


def test_kopf_equation_three():
    features, guide = torch.randn(1, 2, 3, 4), torch.rand(1, 3, 6, 8)
    up = JointBilateral(2, kernel_size=3, sigma_space=0.8, sigma_range=0.2)
    out = up(features, guide)
    coarse = torch.nn.functional.avg_pool2d(guide, 2)
    for y in range(6):
        for x in range(8):
            total, norm = torch.zeros(2), 0.0
            for i in range(y // 2 - 1, y // 2 + 2):
                for j in range(x // 2 - 1, x // 2 + 2):
                    if not (0 <= i < 3 and 0 <= j < 4):
                        continue
                    away = ((y + 0.5) / 2 - i - 0.5) ** 2 + ((x + 0.5) / 2 - j - 0.5) ** 2
                    unlike = (guide[0, :, y, x] - coarse[0, :, i, j]).square().sum().item()
                    weight = math.exp(-away / (2 * 0.8**2)) * math.exp(-unlike / (2 * 0.2**2))
                    total += weight * features[0, :, i, j]
                    norm += weight
            torch.testing.assert_close(out[0, :, y, x], total / norm, rtol=1e-4, atol=1e-5)


def test_a_flat_guide_leaves_a_gaussian():
    features = torch.zeros(1, 1, 9, 9)
    features[..., 4, 4] = 1
    up = JointBilateral(1, 1, kernel_size=5, sigma_space=0.7)
    out = up(features, torch.full((1, 3, 9, 9), 0.4))[0, 0, 4]
    expected = torch.exp(-(torch.arange(-2.0, 3) ** 2) / (2 * 0.49))
    torch.testing.assert_close(out[2:7] / out[4], expected)
