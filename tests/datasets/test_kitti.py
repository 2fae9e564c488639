"""KITTI's frames with their cameras, in both layouts, and frames with their neighbours."""

import pytest
import torch

from tests.datasets.layouts import posed_rgbd, shared_data, write_photo
from tests.losses.test_photometric import WRONG
from unstride.datasets.frame_triplets import FrameTriplets
from unstride.datasets.kitti import KITTIOdometry
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.geometry import is_inside_image, warp_image
from unstride.losses.photometric import photometric_error
from unstride.transforms.frame_triplets import flip_triplet

POSES = [f"1 0 0 {n} 0 1 0 0 0 0 1 {2 * n}" for n in range(4)]


def write_prepared(root, sequences=("a", "b")):
    for name in sequences:
        for n in range(4):
            write_photo(root / name / "images" / f"{n:06d}.jpg")
        (root / name / "intrinsics.txt").write_text("9 0 4\n0 8 3\n0 0 1\n", encoding="utf-8")
        (root / name / "poses.txt").write_text("\n".join(POSES), encoding="utf-8")


def write_published(root, camera="image_2"):
    for name in ("00", "09", "11"):
        for n in range(4):
            write_photo(root / "sequences" / name / camera / f"{n:06d}.png")
        calibration = "P0: 9 0 4 0 0 8 3 0 0 0 1 0\nP2: 9 0 4 18.5 0 8 3 0.375 0 0 1 0.125\n"
        (root / "sequences" / name / "calib.txt").write_text(calibration, encoding="utf-8")
        if name != "11":  # test sequences have no poses
            (root / "poses").mkdir(exist_ok=True)
            (root / "poses" / f"{name}.txt").write_text("\n".join(POSES), encoding="utf-8")


def test_prepared_sequences_one_after_the_other(tmp_path):
    write_prepared(tmp_path)
    frames = KITTIOdometry(tmp_path)
    assert frames.names == [f"{s}/{n:06d}" for s in "ab" for n in range(4)]
    assert frames[0].shape == (3, 6, 8)
    assert frames.intrinsics[5].tolist() == [[9, 0, 4.5], [0, 8, 3.5], [0, 0, 1]]
    assert frames.poses[5, :3, 3].tolist() == [1, 0, 2]
    assert len(KITTIOdometry(tmp_path / "a")) == 4


@pytest.mark.parametrize(
    ("split", "names"), [("train", ["00"]), ("val", ["09"]), ("all", ["00", "09"])]
)
@pytest.mark.parametrize("below", ["", "dataset"])
def test_sequences_as_they_are_unpacked(tmp_path, split, names, below):
    (tmp_path / below).mkdir(exist_ok=True)
    write_published(tmp_path / below)
    frames = KITTIOdometry(tmp_path, split)
    assert frames.names == [f"{s}/{n:06d}" for s in names for n in range(4)]
    assert frames.intrinsics[0].tolist() == [[9, 0, 4.5], [0, 8, 3.5], [0, 0, 1]]


def test_the_pose_is_that_of_the_camera_that_took_the_frame(tmp_path):
    write_published(tmp_path)
    frames = KITTIOdometry(tmp_path, "val")
    # What lies at the origin of our camera projects to 0: P2 (x, 1) = 0 for x of camera 0.
    origin = frames.poses[0, :3, 3]
    projection = torch.tensor([[9.0, 0, 4, 18.5], [0, 8, 3, 0.375], [0, 0, 1, 0.125]])
    torch.testing.assert_close(projection[:, :3] @ origin + projection[:, 3], torch.zeros(3))
    assert origin[0] == -2
    for camera in tmp_path.glob("sequences/*/image_2"):
        camera.rename(camera.with_name("image_0"))
    assert KITTIOdometry(tmp_path, "val").poses[0, :3, 3].tolist() == [0, 0, 0]


BROKEN = {
    "no intrinsics": ("a/intrinsics.txt", None, FileNotFoundError, "intrinsics.txt: no such file"),
    "no poses": ("a/poses.txt", None, FileNotFoundError, "poses.txt: no such file"),
    "a word": ("a/poses.txt", "1 0 0 x 0 1 0 0 0 0 1 0\n" * 4, ValueError, "poses.txt: .*'x'"),
    "11 numbers": ("a/poses.txt", "1 0 0 0 0 1 0 0 0 0 1\n" * 4, ValueError, "11 numbers"),
    "too few": ("a/poses.txt", POSES[0], ValueError, "no pose for frame 000001 among its 1 poses"),
    "not by number": ("a/images/x.jpg", "", ValueError, "no pose for frame x"),
    "no focal length": ("a/intrinsics.txt", "0 0 4\n0 8 3\n0 0 1", ValueError, "intrinsics.txt: "),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_sentence_names_the_file(tmp_path, kind):
    write_prepared(tmp_path)
    file, text, error, words = BROKEN[kind]
    (tmp_path / file).unlink(missing_ok=True)
    if text is not None:
        (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(error, match=words):
        KITTIOdometry(tmp_path)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image of split 'all'; expected layout"):
        KITTIOdometry(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        KITTIOdometry(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="split must be one of train, val, all, got 'test'"):
        KITTIOdometry(tmp_path, "test")
    write_published(tmp_path)
    (tmp_path / "sequences/00/calib.txt").write_text("P0: 1 2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"calib.txt: no line P2:"):
        KITTIOdometry(tmp_path)
    (tmp_path / "sequences/00/calib.txt").write_text("P2: 1 2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"calib.txt: line P2: has 2 numbers"):
        KITTIOdometry(tmp_path)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ("P2: 0 0 4 18.5 0 8 3 0.375 0 0 1 0.125", r"focal lengths must be above 0 .*\[0\.0, 8"),
        ("P2: 9 0 4 18.5 0 nan 3 0.375 0 0 1 0.125", "focal lengths must be above 0 and all"),
        ("P2: 1 1 4 18.5 1 1 4 0.375 0 0 1 0.125", "not the projection of a camera"),
    ],
)
def test_a_camera_that_is_none_is_named(calibration, message, tmp_path):
    write_published(tmp_path)
    (tmp_path / "sequences/09/calib.txt").write_text(calibration, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"sequences/09/calib\.txt: {message}"):
        KITTIOdometry(tmp_path, "val")


def test_poses_that_are_none_are_told_with_the_frame(tmp_path):
    write_prepared(tmp_path, ["a"])
    (tmp_path / "a/poses.txt").write_text("0 0 0 0 0 0 0 0 0 0 0 0\n" * 4, encoding="utf-8")
    triplets = FrameTriplets(KITTIOdometry(tmp_path))
    with pytest.raises(ValueError, match=r"a/images/000001\.jpg: not the poses of a camera \("):
        triplets[0]


def test_neighbours_are_of_the_same_sequence(tmp_path):
    write_prepared(tmp_path)
    triplets = FrameTriplets(KITTIOdometry(tmp_path))
    assert triplets.names == ["a/000001", "a/000002", "b/000001", "b/000002"]
    sample = triplets[2]
    assert sample["sources"].shape == (2, 3, 6, 8)
    assert "depth" not in sample
    # The point 5 m before the frame is seen 2 m farther by the one before, 2 m nearer after.
    point = torch.tensor([0.0, 0, 5, 1])
    assert (sample["poses"] @ point).tolist() == [[1, 0, 7, 1], [-1, 0, 3, 1]]
    with pytest.raises(ValueError, match=r"neighbours at spacing 2.*000000.jpg"):
        FrameTriplets(KITTIOdometry(tmp_path), spacing=2)


def test_the_spacing_counts_frame_numbers(tmp_path):
    posed_rgbd(tmp_path)
    frames = PosedRGBD(tmp_path / "kitchen", "all")  # 0, 800, 801, 839, 840
    with pytest.raises(ValueError, match="no frame has neighbours at spacing 1"):
        FrameTriplets(frames)
    for n in (799, 802):
        frames.image_paths[0] = frames.image_paths[0].with_name(f"{n:06d}.jpg")
        assert FrameTriplets(frames).names == [f"000{800 if n == 799 else 801}"]


def test_a_smaller_sample_has_the_camera_of_its_size(tmp_path):
    write_prepared(tmp_path)
    sample = FrameTriplets(KITTIOdometry(tmp_path), size=(3, 2))[0]
    assert sample["image"].shape == (3, 3, 2)
    assert sample["sources"].shape == (2, 3, 3, 2)
    assert sample["intrinsics"].tolist() == [[2.25, 0, 1.125], [0, 4, 1.75], [0, 0, 1]]


def test_in_the_mirror_everything_still_fits():
    frames = PosedRGBD(shared_data("depth") / "shelf", "all")
    sample = FrameTriplets(frames, spacing=4, size=(60, 80))[10]
    errors = []
    for given in (sample, flip_triplet(sample), sample | {"image": sample["image"].flip(-1)}):
        depth = given["depth"][None].expand(2, -1, -1)
        k = given["intrinsics"].expand(2, -1, -1)
        warped, places = warp_image(given["sources"], depth.clamp(min=0.1), given["poses"], k)
        seen = (depth > 0) & is_inside_image(places, depth.shape[1:])
        errors.append(photometric_error(warped, given["image"].expand_as(warped))[seen].mean())
    torch.testing.assert_close(errors[0], errors[1], atol=1e-4, rtol=0)
    assert errors[2] > 2 * errors[0]
    double = flip_triplet(flip_triplet(sample))
    assert all(torch.allclose(double[key], sample[key]) for key in sample)


MOTIONS = ["right", "left", "down", "up", "forward", "backward", "tilt", "pan", "no motion",
           "the motion back"]  # fmt: skip
HEIGHT = 1.45  # metres, at which a level road fits both sequences; the camera is at 1.65, tilted


@pytest.mark.parametrize("sequence", ["seq1", "seq2"])
def test_the_road_moves_as_the_poses_of_kitti_say(sequence):
    """There is no depth, but the road before the car is a plane: its depth is known."""
    triplets = FrameTriplets(KITTIOdometry(shared_data("kitti_gray") / sequence))
    errors = dict.fromkeys(["truth", *MOTIONS], 0.0)
    for sample in (triplets[i] for i in range(0, len(triplets), 8)):
        k = sample["intrinsics"][None]
        rows = torch.arange(192) + 0.5 - k[0, 1, 2]
        depth = (HEIGHT * k[0, 1, 1] / rows.clamp(min=3))[:, None].expand(1, 192, 640)
        for name in errors:
            change = WRONG.get(name, lambda *given: given)
            warped, _ = warp_image(sample["sources"][1:], *change(depth, sample["poses"][1:], k))
            error = photometric_error(warped, sample["image"][None])
            errors[name] += error[0, 130:, 220:420].mean().item()
    assert all(errors[name] > 1.05 * errors["truth"] for name in MOTIONS), errors
