"""A pyramid of four convolutions, for tests that are not about backbones."""

from torch import nn
from torch.nn.functional import relu


class TinyPyramid(nn.Module):
    """The parts of a `Pyramid` that segmentation networks use."""

    strides, size_divisor = (4, 8, 16), 16

    def __init__(self, channels=(8, 8, 8)):
        super().__init__()
        self.channels = dict(zip(self.strides, channels, strict=True))
        self.stages = nn.ModuleList()
        for before, after, scale in zip((3, *channels), channels, (4, 2, 2), strict=False):
            self.stages.append(nn.Conv2d(before, after, scale, scale))

    def padded_size(self, size):
        return tuple(-(-n // 16) * 16 for n in size)

    def forward(self, image):
        assert image.shape[2] % 16 == image.shape[3] % 16 == 0
        features = {}
        for stride, stage in zip(self.strides, self.stages, strict=True):
            image = relu(stage(image))
            features[stride] = image
        return features
