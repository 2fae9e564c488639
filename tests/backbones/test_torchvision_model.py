"""Backbones of torchvision: the features of its own layers, at strides that are told."""

import copy

import pytest
import torch
from torchvision import models

from unstride import create_backbone, create_pyramid
from unstride.backbones.torchvision_model import create_torchvision_model
from unstride.saving.backbone_names import write_backbone

SMALL = (  # one of each kind
    "resnet18", "regnet_y_400mf", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny",
    "densenet121", "vgg11", "shufflenet_v2_x0_5", "mnasnet0_5", "swin_t", "vit_b_32",
)  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_features_of_the_last_layer_on_its_grid(name):
    backbone = create_backbone(f"torchvision/{name}", pretrained=False)
    image = torch.rand(1, 3, 70, 96)
    features = backbone(image)
    stride = backbone.stride
    assert stride == 32
    assert features.shape == (1, backbone.channels, 3, 3)
    assert features.isfinite().all()


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "swin_t"])
def test_they_are_what_the_classifier_averages(name):
    torch.manual_seed(0)
    classifier = getattr(models, name)().eval()
    torch.manual_seed(0)
    backbone = create_backbone(f"torchvision/{name}", pretrained=False)
    image = torch.rand(2, 3, 64, 64)
    head = {"resnet18": "fc", "mobilenet_v3_small": "classifier", "swin_t": "head"}[name]
    logits = getattr(classifier, head)(backbone(image).mean((2, 3)))
    torch.testing.assert_close(logits, classifier((image - backbone.mean) / backbone.std))


def test_a_vision_transformer_at_its_own_size_and_another():
    torch.manual_seed(0)
    classifier = models.vit_b_32().eval()
    torch.nn.init.normal_(classifier.heads.head.weight)
    torch.manual_seed(0)
    backbone = create_backbone("torchvision/vit_b_32", pretrained=False)
    image = torch.rand(1, 3, 224, 224)
    cells = []
    classifier.encoder.register_forward_hook(lambda module, given, output: cells.append(output))
    classifier((image - backbone.mean) / backbone.std)
    torch.testing.assert_close(backbone(image), cells[0][:, 1:].mT.unflatten(2, (7, 7)))
    assert backbone(torch.rand(1, 3, 96, 160)).shape == (1, 768, 3, 5)


def test_a_pyramid_trains_all_of_its_parameters_and_has_no_deeper_ones():
    pyramid = create_pyramid("torchvision/resnet18", (4, 8), pretrained=False)
    features = pyramid(torch.rand(2, 3, 64, 96))
    assert {s: tuple(f.shape) for s, f in features.items()} == {
        4: (2, 64, 16, 24),
        8: (2, 128, 8, 12),
    }
    sum(f.square().mean() for f in features.values()).backward()
    assert all(p.grad is not None for p in pyramid.parameters())
    assert not any(
        name.startswith(("model.layer3", "model.fc")) for name, _ in pyramid.named_parameters()
    )
    copied = copy.deepcopy(pyramid)
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(copied.eval()(image)[8], pyramid.eval()(image)[8])


@pytest.mark.parametrize("name", ["swin_t", "densenet121"])
def test_pruned_layers_leave_the_others_as_they_are(name):
    model = create_torchvision_model(name, False, None).eval()
    image = torch.rand(1, 3, 64, 64)
    index = len(model.steps) // 2
    expected = model.forward_intermediates(image, [index])[0]
    model.prune_intermediate_layers([index])
    assert torch.equal(model.forward_intermediates(image, [index])[0], expected)
    assert len(model.feature_info) == index + 1


def test_weights_come_from_a_file_of_torchvision(tmp_path):
    classifier = models.resnet18()
    torch.save(classifier.state_dict(), tmp_path / "resnet18.pth")
    backbone = create_backbone("torchvision/resnet18", weights=tmp_path / "resnet18.pth")
    for key, value in backbone.model.state_dict().items():
        assert torch.equal(value, classifier.state_dict()[key])
    write_backbone(tmp_path / "again.pth", backbone.model.state_dict(), "torchvision")
    create_backbone("torchvision/resnet18", weights=tmp_path / "again.pth")
    with pytest.raises(ValueError, match=r"resnet18.pth lacks .* tensors of the model"):
        create_backbone("torchvision/resnet50", weights=tmp_path / "resnet18.pth")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet19", r"got torchvision/resnet19; similar names: .*resnet18"),
        ("inception_v3", "torchvision/inception_v3 is not supported"),
        ("maxvit_t", "torchvision/maxvit_t is not supported"),
        ("alexnet", "torchvision/alexnet has cells of unequal sizes"),
    ],
)
def test_what_cannot_be_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        create_backbone(f"torchvision/{name}", pretrained=False)


def test_without_a_network_one_sentence_comes(monkeypatch):
    from urllib.error import URLError

    def refused(name, weights, **options):
        raise URLError("no route")

    monkeypatch.setattr(models, "get_model", refused)
    with pytest.raises(OSError, match=r"torchvision/resnet18 could not be downloaded \(no route\)"):
        create_backbone("torchvision/resnet18")
