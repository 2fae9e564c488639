"""Colours surface normals as in a normal map."""

import torch
from jaxtyping import Float
from torch import Tensor


def normal_colours(normals: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """(1 + (x, -y, -z)) / 2: right is red, up is green, towards the viewer is blue.

    This is the convention of OpenGL and of normal maps, y up and z out of the picture. Grey where
    the normal is zero, which means unknown.

    Args:
        normals: unit vectors in the camera's frame (x right, y down, z forward), or zero.
    """
    opengl = normals * torch.tensor([1.0, -1.0, -1.0]).to(normals)[:, None, None]
    return (1 + opengl) / 2
