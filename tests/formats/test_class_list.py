"""Lists of classes, and the masks that they describe."""

import numpy as np
import pytest
import torch
from PIL import Image

from unstride.formats.class_list import ListedClass, read_class_list
from unstride.formats.class_masks import class_names, load_class_mask
from unstride.formats.labels import UNLABELLED

GRASS, DOG = ListedClass("tall grass", 0, (0, 255, 0)), ListedClass("dog", 1, (0, 0, 255))
SOUND = {
    "a.txt": ("# mine\ntall grass 0 255 0\n\ndog, 0, 0, 255\n", [GRASS, DOG]),
    "b.txt": ("tall grass\ndog\n", [ListedClass("tall grass", 0), ListedClass("dog", 1)]),
    "c.yaml": ("[tall grass, dog]", [ListedClass("tall grass", 0), ListedClass("dog", 1)]),
    "d.yaml": ("names: {7: dog, 3: cow}", [ListedClass("cow", 3), ListedClass("dog", 7)]),
    "e.yml": (
        "- {name: tall grass, colour: [0, 255, 0]}\n- {name: dog, color: [0, 0, 255]}",
        [GRASS, DOG],
    ),
}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", SOUND)
def test_names_numbers_and_colours_are_read(name, tmp_path):
    text, expected = SOUND[name]
    assert read_class_list(write(tmp_path / name, text)) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "at least one class, got none"),
        ("a.txt", "void\n", "at least one class, got none"),
        ("a.txt", "dog\ndog\n", "two classes have the name dog"),
        ("a.txt", "dog 1 2 3\ncow 1 2 3\n", r"two classes have the colour \(1, 2, 3\)"),
        ("a.txt", "dog 1 2 3\ncow\n", "all classes or none must have a colour, cow has none"),
        ("a.txt", "dog 1 2 256\n", r"a colour must be three numbers in 0..255, got \[1, 2, 256\]"),
        ("a.yaml", "- {name: dog, colour: [1, 2]}", "three numbers in 0..255"),
        ("a.yaml", "- {name: dog, kolour: [1, 2]}", "unknown key 'kolour'"),
        ("a.yaml", "dog", "expected a list of class names, or numbers with names, got str"),
        ("a.yaml", "{-1: dog}", "a class number must be in 0..65535, got -1"),
        ("a.yaml", "{true: dog}", "a class number must be in 0..65535, got True"),
        ("a.yaml", "[3]", "class 0 must have a name, got 3"),
        ("a.yaml", "[[a]", "not valid YAML"),
        ("a.yaml", "[" * 5000, "not valid YAML"),
        ("a.yaml", "a: &a [x, x]\nb: &b [*a, *a]", "not valid YAML .*aliases"),
        ("a.yaml", "!!python/object/apply:os.getcwd []", "not valid YAML"),
        ("a.yaml", "#" * 1_000_001, "must have at most 1000000 bytes, got 1000001"),
    ],
)
def test_a_damaged_list_is_refused_in_a_sentence_with_its_file(name, text, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        read_class_list(write(tmp_path / name, text))
    assert str(error.value).startswith(str(tmp_path / name))
    assert "\n" not in str(error.value)


def save(path, pixels, mode=None):
    Image.fromarray(np.array(pixels, np.uint8), mode).save(path)
    return path


LISTED = [
    ListedClass("cow", 3, (9, 8, 7)), ListedClass("void", 5, (0, 0, 0)),
    ListedClass("dog", 7, (9, 8, 0)),
]  # fmt: skip


def test_numbers_with_gaps_count_from_zero_and_void_is_unlabelled(tmp_path):
    assert class_names(LISTED) == ("cow", "dog")
    path = save(tmp_path / "a.png", [[3, 7], [255, 5]])
    expected = torch.tensor([[0, 1], [UNLABELLED, UNLABELLED]])
    assert torch.equal(load_class_mask(path, LISTED, (2, 2)), expected)


def test_colours_are_classes(tmp_path):
    path = save(tmp_path / "a.png", [[[9, 8, 7], [9, 8, 0]], [[0, 0, 0], [9, 8, 7]]])
    assert torch.equal(load_class_mask(path, LISTED), torch.tensor([[0, 1], [UNLABELLED, 0]]))
    opaque = save(tmp_path / "b.png", [[[9, 8, 7, 255], [9, 8, 0, 0]]])
    assert load_class_mask(opaque, LISTED).tolist() == [[0, 1]]


def test_a_palette_image_has_indices(tmp_path):
    image = Image.fromarray(np.array([[3, 7]], np.uint8), "P")
    image.putpalette([1] * 768)
    image.save(tmp_path / "a.png")
    assert load_class_mask(tmp_path / "a.png", LISTED).tolist() == [[0, 1]]


def test_black_and_white_and_grey_rgb_are_numbers(tmp_path):
    listed = [ListedClass("ground", 0), ListedClass("dog", 1)]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert load_class_mask(tmp_path / "a.png", listed).tolist() == [[1, 0]]
    path = save(tmp_path / "b.png", [[[1, 1, 1], [0, 0, 0]]])
    assert load_class_mask(path, listed).tolist() == [[1, 0]]


def test_number_255_may_be_a_class(tmp_path):
    listed = [ListedClass("ground", 0), ListedClass("dog", 255)]
    assert load_class_mask(save(tmp_path / "a.png", [[255, 0]]), listed).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        ([[3, 4]], r"4 \(50.0% of the pixels\) is not in the list of classes"),
        ([[4, 6]], r"4 and 1 more \(50.0%"),
        ([[[9, 8, 7], [9, 8, 6]]], "colour 9 8 6"),
        ([[3, 3, 3]], "a.png: 3 x 1 pixels, but its image has 2 x 1"),
    ],
)
def test_what_is_no_class_or_no_mask_of_the_image_is_named(pixels, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_class_mask(save(tmp_path / "a.png", pixels), LISTED, (1, 2))


def test_colours_without_a_list_of_colours_are_refused(tmp_path):
    path = save(tmp_path / "a.png", [[[9, 8, 7]]])
    with pytest.raises(ValueError, match="needs a list of classes with their colours"):
        load_class_mask(path, [ListedClass("cow", 0)])
    Image.fromarray(np.array([[0.5]], np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(ValueError, match=r"b.tif: a mask must have class numbers or RGB, got F"):
        load_class_mask(tmp_path / "b.tif", LISTED)
