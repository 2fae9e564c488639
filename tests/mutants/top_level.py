"""Ways to break modules outside of packages."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/geometry.py", ("tests/test_geometry.py", "tests/transforms/test_pixel_maps.py", "-k", "geometry or centre"),
        ("centres at whole numbers", "torch.arange(width, device=like.device, dtype=like.dtype) + 0.5", "torch.arange(width, device=like.device, dtype=like.dtype)"),
        ("half a pixel the other way", "shift[..., :2, 2] = 0.5", "shift[..., :2, 2] = -0.5"),
        ("intrinsics resized by the other side", "[new_size[1] / size[1], new_size[0] / size[0], 1.0]", "[new_size[0] / size[0], new_size[1] / size[1], 1.0]"),
        ("rays towards no camera", "inverse = torch.linalg.inv(intrinsics)", "inverse = intrinsics.mT"),
        ("turned back", '"bij,bjhw->bihw", pose[:, :3, :3], points', '"bji,bjhw->bihw", pose[:, :3, :3], points'),
        ("shifted first", "return rotated + pose[:, :3, 3, None, None]", "return rotated - pose[:, :3, 3, None, None]"),
        ("behind is before", "is_in_front = depth > MIN_DEPTH", "is_in_front = depth != 0"),
        ("aligned corners", '"border", align_corners=False', '"border", align_corners=True'),
        ("black beyond the border", '"bilinear", "border"', '"bilinear", "zeros"'),
        ("inside on the right only", "(x >= 0) & ", ""),
        ("sides exchanged", "(x <= size[1]) & (y >= 0) & (y <= size[0])", "(x <= size[0]) & (y >= 0) & (y <= size[1])"),
        ("from the source to the target", "torch.linalg.inv(source_pose) @ target_pose", "torch.linalg.inv(target_pose) @ source_pose"),
        ("places in half types", "@in_full_precision\ndef warp_image", "def warp_image"),
        ("turns in half types", "@in_full_precision\ndef pose_matrix", "def pose_matrix"),
        ("left-handed", "[zero, -z, y, z, zero, -x, -y, x, zero]", "[zero, z, -y, -z, zero, x, y, -x, zero]"),
    ),
    *mutants_of(
        "unstride/precision.py", ("tests/ops/test_backends.py", "tests/test_geometry.py"),
        ("half types not widened", "return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor", "return tensor"),
        ("autocast stays", "enabled=False", "enabled=torch.is_autocast_enabled(tensor.device.type)"),
        ("arguments as they are", "return function(*upcast, **options)", "return function(*args, **kwargs)"),
    ),
]  # fmt: skip
