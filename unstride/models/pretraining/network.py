"""What is pretrained, and copied by the momentum encoder: a backbone, an FPN, projectors."""

from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.pretraining.heads import PixelMLP
from unstride.necks.fpn import FPN

Neck = Literal["none", "fpn", "head"]
FPN_WIDTH, TOWER_LAYERS, GROUPS = 256, 4, 32  # of torchvision's FPN and FCOS


class Projections(NamedTuple):
    """Features, projected cells and projected image of a view.

    Attributes:
        features: features of each level, "b c h w", by stride.
        cells: projected cells of each level, "b d h w", by stride; empty without a projector.
        image: mean over the cells of the coarsest level, projected for the instance branch,
            "b d"; None without that branch.
    """

    features: dict[int, Tensor]
    cells: dict[int, Tensor]
    image: Tensor | None


def projected_image(projections: Projections) -> Float[Tensor, "b d"]:
    """The projected images of a network that has an instance branch."""
    assert projections.image is not None
    return projections.image


class PretrainingNetwork(nn.Module):
    """A pyramid, whose levels are projected cell by cell.

    With an FPN, and with the tower of a dense detector's head on it, these are pretrained too; the
    projector is shared by all levels. The paper (PixPro, arXiv:2011.10043, section 4.3) pretrains
    them so; which levels, and whether projectors are shared, it is not known to us.

    Args:
        pyramid: the backbone. Without an FPN only its coarsest level is used.
        hidden_channels: of the projectors.
        out_channels: of the projected cells.
        neck: none, fpn, or head: an FPN and four convolutions as in torchvision's FCOS.
        neck_width: channels of the FPN and of the head.
        has_cells: whether cells are projected.
        has_instance: whether whole images are projected.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        *,
        hidden_channels: int = 4096,
        out_channels: int = 256,
        neck: Neck = "none",
        neck_width: int = FPN_WIDTH,
        has_cells: bool = True,
        has_instance: bool = False,
    ):
        super().__init__()
        self.pyramid = pyramid
        channels = pyramid.channels[max(pyramid.strides)]
        self.fpn = self.tower = None
        if neck != "none":
            channels, self.fpn = neck_width, FPN(pyramid.channels, neck_width)
        if neck == "head":
            self.tower = fcos_tower(neck_width)
        self.projector = PixelMLP(channels, hidden_channels, out_channels) if has_cells else None
        self.instance_projector = (
            PixelMLP(channels, hidden_channels, out_channels) if has_instance else None
        )

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Projections:
        """Project images, RGB in [0, 1]."""
        features = self.pyramid(images)
        if self.fpn is None:
            coarsest = max(features)
            features = {coarsest: features[coarsest]}
        else:
            features = self.fpn(features)
        if self.tower is not None:
            features = {stride: self.tower(level) for stride, level in features.items()}
        cells = {}
        if self.projector is not None:
            cells = {stride: self.projector(level) for stride, level in features.items()}
        image = None
        if self.instance_projector is not None:
            image = self.instance_projector(features[max(features)]).mean((2, 3))
        return Projections(features, cells, image)


def fcos_tower(channels: int) -> nn.Sequential:
    """The convolutions of torchvision's FCOS heads, with the names of their parameters."""
    layers: list[nn.Module] = []
    for _ in range(TOWER_LAYERS):
        layers += [
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(GROUPS, channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)
