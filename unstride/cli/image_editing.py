"""The commands that edit images: `unstride inpaint` and `unstride matte`."""

from pathlib import Path
from typing import Literal


def inpaint(
    images: list[str],
    mask: Path,
    out: Path = Path("inpainted"),
    hole: Literal["white", "black"] = "white",
    threshold: int | None = None,
    method: Literal["network", "telea", "navier_stokes", "biharmonic", "mean"] = "network",
    model: Path | None = None,
    attention_map: bool = False,
    device: str | None = None,
) -> int:
    """Fill the holes of images. All other pixels stay exactly as they are in the file.

    OUT/photo.png is the image in its own mode, with its alpha, EXIF data and colour profile; modes
    that PNG does not have are written as TIFF. An empty mask copies the file.

    OUT/records/photo.json records how the file was made: images that are done are skipped, unless
    the mask, the model or an option changed. Images that fail are listed at the end; the others
    are done.

    Args:
        images: image files, folders or globs.
        mask: one mask for all images, or a folder with a mask of the same name for each. A mask is
            black and white and has the size of its image.
        out: output folder. Created if it does not exist.
        hole: colour of the holes in the masks.
        threshold: smallest grey value, 1 to 255, that counts as white. Default: masks with grey
            values, such as JPEG files, are refused.
        method: what fills the holes: a trained network; telea and navier_stokes (OpenCV) or
            biharmonic (scikit-image), which need the extra "inpaint"; or the mean colour.
        model: folder of a trained network, OUT/model of `unstride fit inpainting`, or a file with
            released weights of DeepFill. Default: the network that comes with this package.
        attention_map: also write OUT/attention/photo.png, which shows where each part of a hole is
            taken from: the colour is the direction, arrows point to the sources.
        device: torch device, for example cpu or cuda. Default: the GPU if there is one.
    """
    from unstride.inference.inpaint import inpaint_files

    return inpaint_files(
        images, out, mask=mask, hole=hole, threshold=threshold, method=method, model=model,
        attention_map=attention_map, device=device,
    )  # fmt: skip


def matte(
    images: list[str],
    trimap: Path | None = None,
    out: Path = Path("mattes"),
    from_mask: Path | None = None,
    from_box: str | None = None,
    from_prediction: Path | None = None,
    category: str = "person",
    margin: int = 10,
    method: Literal["closed_form", "knn", "learning_based"] = "closed_form",
    model: Path | None = None,
    background: str = "",
    device: str | None = None,
) -> int:
    """Separate objects from their background, with soft edges.

    A trimap says what is known: black is background, white is the object, all else is unknown.
    Known pixels come back exactly. For photo.jpg:

    - OUT/alpha/photo.png: how much of each pixel is the object, 16 bits.
    - OUT/cutout/photo.png: the object with alpha and with its own colours, RGBA.
    - OUT/composite/photo.png: the object over --background.

    Images that are done are skipped, unless the trimap or an option changed. Images that fail are
    listed at the end; the others are done. Needs the extra: pip install 'unstride[matting]'.

    Args:
        images: image files, folders or globs.
        trimap: one trimap for all images, or a folder with one of the same name for each.
        out: output folder. Created if it does not exist.
        from_mask: rough masks instead of trimaps: white is the object, and near its border nothing
            is known. One file, or a folder.
        from_box: a box around the object instead, LEFT,TOP,RIGHT,BOTTOM in pixels.
        from_prediction: output folder of `unstride predict` with a panoptic network or one for
            instances, whose objects are taken as rough masks.
        category: name of the objects to take from a prediction.
        margin: pixels on both sides of a rough mask's border that are unknown.
        method: closed_form, knn or learning_based, by pymatting. Large images are solved on a copy
            of a million pixels, and the result is enlarged with the image as its guide.
        model: predict with a network instead: OUT/model of `unstride fit matting`, or a file with
            released weights of A2U or IndexNet. Large images are computed in blended tiles.
        background: colour, such as white or #ff8800, or a picture file, for the composite.
            Default: no composite.
        device: torch device of the network, for example cpu or cuda. Default: the GPU if there is
            one.
    """
    from unstride.inference.matte import matte_files

    return matte_files(
        images, out, trimap=trimap, from_mask=from_mask, from_box=from_box,
        from_prediction=from_prediction, category=category, margin=margin, method=method,
        model=model, background=background, device=device,
    )  # fmt: skip
