"""LPIPS from a file: the weights are those of the file, and nothing is ever random."""

import pytest
import torch
import torchvision

pytest.importorskip("torchmetrics", reason="the extra 'train' is not installed")

from safetensors.torch import save_file

from unstride.metrics.lpips import LPIPS, feature_distance

NETWORKS = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}
IMAGES = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def state_of(name):
    torch.manual_seed(1)
    network = torchvision.models.get_model(NETWORKS[name], weights=None)
    return {k: v for k, v in network.state_dict().items() if k.startswith("features.")}


def reference(name, state, images, others):
    """Zhang et al., equation 1, with torchvision's network and the published linear layers."""
    from torchmetrics.functional.image.lpips import _LPIPS

    heads = _LPIPS(net=name, pnet_rand=True)
    network = torchvision.models.get_model(NETWORKS[name], weights=None).features.eval()
    network.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    ends = {
        "alex": (1, 4, 7, 9, 11),
        "squeeze": (1, 4, 7, 9, 10, 11, 12),
        "vgg": (3, 8, 15, 22, 29),
    }
    total = 0
    x, y = (
        (2 * i - 1 - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
        / torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
        for i in (images, others)
    )
    for i, layer in enumerate(network):
        x, y = layer(x), layer(y)
        if i in ends[name]:
            unit = [f / (f.square().sum(1, keepdim=True).sqrt() + 1e-8) for f in (x, y)]
            weights = heads.lins[ends[name].index(i)].model[-1].weight
            difference = (unit[0] - unit[1]).square()
            total = total + (weights * difference).sum(1, keepdim=True).mean((1, 2, 3))
    return total.mean()


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_papers_sum_with_the_weights_of_the_file(name, tmp_path):
    state = state_of(name)
    torch.save(state, tmp_path / "w.pth")
    distance = LPIPS(name, tmp_path / "w.pth")(*IMAGES)
    torch.testing.assert_close(distance, reference(name, state, *IMAGES), rtol=1e-4, atol=1e-6)


def test_equal_images_have_no_distance_and_gradients_reach_images_alone(tmp_path):
    save_file(state_of("alex"), tmp_path / "w.safetensors")
    lpips = LPIPS("alex", tmp_path / "w.safetensors")
    images = IMAGES[0].clone().requires_grad_()
    assert lpips(IMAGES[0], IMAGES[0]) == 0
    lpips(images, IMAGES[1]).backward()
    assert images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in lpips.parameters())


def test_absent_weights_never_become_random_ones(monkeypatch):
    def no_internet(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_internet)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_internet)
    with pytest.raises(ValueError, match=r"cannot download the weights of alex.*lpips_weights"):
        LPIPS("alex")


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04K\x01.", b"PK" + b"\0" * 50])
def test_damaged_files_are_named(content, tmp_path):
    if content is not None:
        (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.pth: "):
        LPIPS("alex", tmp_path / "w.pth")


def test_weights_of_another_network_are_named(tmp_path):
    torch.save(state_of("squeeze"), tmp_path / "w.pth")
    with pytest.raises(
        ValueError, match=r"w\.pth: features\.0\.weight must be \(64, 3, 11, 11\), got"
    ):
        LPIPS("alex", tmp_path / "w.pth")


def test_the_distance_of_features_is_that_of_unit_vectors_summed_over_levels():
    fine, coarse = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 1)
    fine[:, 0], coarse[:, 1] = 3.0, 2.0  # any length
    others = {2: fine.clone(), 4: coarse.roll(1, dims=1)}
    others[2][..., 1] = fine[..., 1].roll(1, dims=1)
    # Orthogonal unit vectors are 2 apart, squared: in one of two places, and in the only one.
    assert feature_distance({2: fine, 4: coarse}, others) == pytest.approx(1.0 + 2.0)
    assert feature_distance(others, others) == 0
