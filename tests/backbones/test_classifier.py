"""A classifier agrees with its network, and its pixels with itself."""

import pytest
import torch

from unstride import create_backbone
from unstride.backbones.classifier import Classifier, create_classifier


def test_it_is_the_network_with_its_trained_head():
    data = pytest.importorskip("skimage.data", reason="the extra 'demo' is not installed")
    classifier = create_classifier()
    image = torch.from_numpy(data.chelsea()[:, 70:370]).permute(2, 0, 1)[None] / 255
    image = torch.nn.functional.interpolate(image, (224, 224), mode="bilinear", antialias=True)
    with torch.inference_mode():
        assert classifier(image).argmax().item() in (281, 282, 285)
        scores = [classifier.pixel_scores(torch.rand(5, 320), label) for label in (0, 282)]
    assert scores[0].shape == (5,)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_050"])
@torch.inference_mode()
def test_an_images_score_is_the_mean_of_its_pixels(name):
    classifier = create_classifier(name, pretrained=False)
    backbone = create_backbone(name, pretrained=False)
    backbone.model.load_state_dict(classifier.model.state_dict(), strict=False)
    assert (backbone.stride, backbone.channels) == (classifier.stride, classifier.channels)
    image = torch.rand(1, 3, 96, 64)
    pixels = backbone(image)[0].flatten(1).T
    for label in (3, 500):
        mean = classifier.pixel_scores(pixels, label).mean()
        torch.testing.assert_close(mean, classifier(image)[0, label], rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore")  # of models, about themselves
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_other_heads_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} cannot draw class-activation maps: its head"):
        create_classifier(name, pretrained=False)


def test_what_is_no_image_is_refused():
    classifier = create_classifier("resnet18", pretrained=False)
    with pytest.raises(ValueError, match=r"image must be RGB in \[0, 1\], got .* divide by 255"):
        classifier(255 * torch.rand(1, 3, 64, 64))


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="backbone must be a timm model, got 'resnot'"):
        create_classifier("resnot")
    assert isinstance(create_classifier("resnet18", pretrained=False), Classifier)
