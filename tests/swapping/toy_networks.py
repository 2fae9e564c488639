"""Small networks that upsample in every way there is."""

import torch
from torch import nn
from torch.nn.functional import interpolate


class DecoderBlock(nn.Module):
    """A U-Net's step: enlarge, join the skip, convolve."""

    def __init__(self, channels, skip):
        super().__init__()
        self.conv = nn.Conv2d(channels + skip, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x, *, skip):
        x = interpolate(x, scale_factor=2, mode="nearest")
        return self.norm(self.conv(torch.cat([x, skip], 1))).relu()


class PositionEmbedding(nn.Module):
    """Enlarges only where the sizes ask for it, as position embeddings do."""

    def __init__(self, channels):
        super().__init__()
        self.table = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, x):
        if x.shape[2:] == self.table.shape[2:]:
            return x + self.table
        return x + interpolate(self.table, size=x.shape[2:], mode="bilinear")


class ToyNet(nn.Module):
    """Places: block, refine.0 (nn.Upsample), deconv, self:0 and self:1; self:2 is of logits."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.down = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.place = PositionEmbedding(8)
        self.block = DecoderBlock(8, 8)
        self.deconv = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)
        self.refine = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            nn.Conv2d(8, 6, 3, padding=1),
        )
        self.fuse = nn.Conv2d(6 + 6 + 8 + 8, 8, 1)
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, image):
        fine = self.stem(image).relu()
        middle = self.down(fine).relu()
        deep = self.place(self.deep(middle).relu())
        middle = self.block(deep, skip=middle)
        maps = [self.deconv(middle), self.refine(middle)]
        for coarse in (middle, deep):
            maps.append(interpolate(coarse, size=fine.shape[2:], mode="bilinear"))
        logits = self.head(self.fuse(torch.cat(maps, 1)))
        return {"logits": interpolate(logits, scale_factor=2.0, mode="bilinear")}


PLACE_NAMES = ["block", "deconv", "refine.0", "self:0", "self:1"]
