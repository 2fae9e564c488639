"""A list of images with classes: read whole, or refused in a sentence if empty or damaged."""

import pytest
from PIL import Image

from unstride.datasets.classification import ClassificationDataset


@pytest.fixture
def root(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (9, 7)).save(tmp_path / "images" / "bär 1.png")
    return tmp_path


def write(root, content):
    (root / "labels.txt").write_bytes(content)


def test_a_name_may_have_spaces_and_letters_of_any_language(root):
    write(root, "bär 1.png 7\r\n\n".encode())
    dataset = ClassificationDataset(root, image_size=4)
    image, label = dataset[0]
    assert (len(dataset), image.shape, label) == (1, (3, 4, 4), 7)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lists no image; expected lines FILE CLASS"),
        (b"\n \n", "lists no image; expected lines FILE CLASS"),
        (b"a.png\n", "expected lines FILE CLASS, got 'a.png'"),
        ("bär.png 1\n".encode("latin-1"), "not a text file in UTF-8"),
    ],
)
def test_what_is_no_list_is_refused(content, message, root):
    write(root, content)
    with pytest.raises(ValueError, match=f"labels.txt: {message}"):
        ClassificationDataset(root)
