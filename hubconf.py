"""Entry points of torch.hub: `torch.hub.load("unstride/unstride", "upsampler", "carafe", 256)`.

A folder with a copy of the repository works too: `torch.hub.load(folder, ..., source="local")`.
"""

dependencies = ["torch", "timm", "numba", "jaxtyping", "safetensors"]


def upsampler(name: str, channels: int, scale: int = 2, **options):
    """An upsampler by its name, called as `up(features, guide=None, size=None)`.

    Args:
        name: one of `unstride.list_upsamplers()`, such as "carafe", "sapa", "joint_bilateral".
        channels: of the features.
        scale: output pixels per input pixel, along each axis, where no size is given.
        options: guide_channels, stages, and those of that upsampler.
    """
    from unstride.upsamplers.by_name import create_upsampler

    return create_upsampler(name, channels, scale, **options)


def featup_jbu(channels: int, scale: int = 16, *, pretrained: bool = True, **options):
    """FeatUp's learned joint bilateral stack, guided by an image in [0, 1].

    Args:
        channels: of the features.
        scale: output pixels per input pixel, along each axis, where no size is given.
        pretrained: with the weights that come with the repository.
        options: variant ("default" or "paper"), and those of that variant.
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
    """Image in, features at every pixel out, in evaluation mode.

    Args:
        backbone: a timm model.
        upsampler: one of `unstride.list_upsamplers()`; it may look at the image.
        stride: of the backbone's features in pixels; by default that of its last layer.
        pretrained: with the backbone's trained weights; timm fetches most on first use.
        options: of the upsampler.
    """
    from unstride.backbones.timm_backbone import create_backbone
    from unstride.features.dense_features import DenseFeatures
    from unstride.upsamplers.by_name import create_upsampler

    trunk = create_backbone(backbone, pretrained, stride=stride)
    up = create_upsampler(upsampler, trunk.channels, trunk.stride, guide_channels=3, **options)
    return DenseFeatures(trunk, up).eval()


def from_pretrained(where: str, **options):
    """What `save_pretrained` wrote, in evaluation mode.

    Args:
        where: a folder, or a repository USER/NAME of the Hugging Face Hub.
        options: as of `unstride.from_pretrained`.
    """
    from unstride.features.pretrained import from_pretrained

    return from_pretrained(where, **options)
