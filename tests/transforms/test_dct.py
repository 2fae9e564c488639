"""The cosine transform is SciPy's orthonormal one, and the inverse gives the image back."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from unstride.transforms.dct import cosine_basis, dct, inverse_dct

SIZES = [(8, 8), (1, 5), (7, 12), (33, 20)]


def error_bound(image, dtype=torch.float64):
    """Two sums of n products: n * eps * sum of |products|; every basis value is below sqrt(2/n)."""
    h, w = image.shape[-2:]
    return 4 * (h + w) * torch.finfo(dtype).eps * image.abs().sum().item() / np.sqrt(h * w)


@pytest.mark.parametrize("size", SIZES)
def test_coefficients_are_scipys(size):
    image = torch.rand(2, 3, *size, dtype=torch.float64)
    expected = dctn(image.numpy(), axes=(2, 3), norm="ortho")
    torch.testing.assert_close(
        dct(image), torch.from_numpy(expected), rtol=0, atol=error_bound(image[0, 0])
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_inverse_gives_the_image_back(size):
    image = torch.rand(1, 2, *size, dtype=torch.float64)
    torch.testing.assert_close(
        inverse_dct(dct(image)), image, rtol=0, atol=2 * error_bound(image[0, 0])
    )


def test_a_cosine_is_one_coefficient():
    basis = cosine_basis(6)
    image = basis[2][:, None] * basis[5]
    expected = torch.zeros(6, 6, dtype=torch.float64)
    expected[2, 5] = 1
    torch.testing.assert_close(dct(image), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("function", [dct, inverse_dct])
def test_gradients(function):
    image = torch.rand(1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, image)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_are_computed_in_float32(dtype):
    image = torch.rand(1, 16, 16).to(dtype)
    assert torch.equal(dct(image), dct(image.float()))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(dct(image.float()), dct(image))
