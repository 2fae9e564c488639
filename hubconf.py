"""Entry points for torch.hub: `torch.hub.load("unstride/unstride", "upsampler", "carafe", 256)`.

A local copy of the repository works too: `torch.hub.load(folder, ..., source="local")`.
"""

dependencies = ["torch", "timm", "numba", "jaxtyping", "safetensors"]


def upsampler(name: str, channels: int, scale: int = 2, **options):
    """Create an upsampler by name, called as `up(features, guide=None, size=None)`.

    Args:
        name: one of `unstride.list_upsamplers()`, such as "carafe", "sapa", "joint_bilateral".
        channels: of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        options: guide_channels, stages, and keyword arguments of that upsampler.
    """
    from unstride.upsamplers.by_name import create_upsampler

    return create_upsampler(name, channels, scale, **options)


def featup_jbu(channels: int, scale: int = 16, *, pretrained: bool = True, **options):
    """FeatUp's learned joint bilateral stack, guided by an image in [0, 1].

    Args:
        channels: of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        pretrained: whether to load the weights that come with the repository.
        options: variant ("default" or "paper"), and keyword arguments of that variant.
    """
    from unstride.upsamplers import featup_jbu

    return featup_jbu(channels, scale, pretrained=pretrained, **options)


def dense_features(
    backbone: str = "tf_efficientnet_lite0",
    upsampler: str = "featup_jbu",
    *,
    stride: int | None = None,
    pretrained: bool = True,
    **options,
):
    """A model from images to features at every pixel, in evaluation mode.

    Args:
        backbone: name of a timm model.
        upsampler: one of `unstride.list_upsamplers()`; its guide is the image, if it takes one.
        stride: of the backbone's features, in pixels. Default: that of its last layer.
        pretrained: whether the backbone has trained weights; timm downloads most on first use.
        options: keyword arguments of the upsampler.
    """
    from unstride.backbones.timm_backbone import create_backbone
    from unstride.features.dense_features import DenseFeatures
    from unstride.upsamplers.by_name import create_upsampler

    trunk = create_backbone(backbone, pretrained, stride=stride)
    up = create_upsampler(upsampler, trunk.channels, trunk.stride, guide_channels=3, **options)
    return DenseFeatures(trunk, up).eval()


def from_pretrained(where: str, **options):
    """Load what `save_pretrained` wrote, in evaluation mode.

    Args:
        where: a folder, or a repository USER/NAME of the Hugging Face Hub.
        options: keyword arguments of `unstride.from_pretrained`.
    """
    from unstride.features.pretrained import from_pretrained

    return from_pretrained(where, **options)
