"""Ways to break heads."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/heads/aspp_decoder.py", ("tests/models/panoptic/test_panoptic_deeplab.py",),
        ("rates in cells", "max(rate // self.strides[0], 1)", "rate // 16"),
        ("skips unused", "torch.cat([wide, finer], 1)", "torch.cat([wide, 0 * finer], 1)"),
        ("channels mixed at once", "5, groups=before)", "5)"),
        ("skips all as wide", "max(width * fine // 32, 1)", "max(width // 4, 1)"),
    ),
    *mutants_of(
        "unstride/heads/object_context.py", ("tests/heads/test_object_context.py",),
        ("softmax over classes", "logits.flatten(2).softmax(2)", "logits.flatten(2).softmax(1)"),
        ("scores not scaled", " / keys.shape[1] ** 0.5", ""),
        ("softmax over pixels", "scores.softmax(2).mT", "scores.softmax(1).mT"),
        ("context not seen", "torch.cat([pixels, self.context(found)], 1)", "torch.cat([pixels, 0 * self.context(found)], 1)"),
        ("pixels not seen", "torch.cat([pixels, self.context(found)], 1)", "torch.cat([0 * pixels, self.context(found)], 1)"),
        ("rough logits cut off", "class_representations(pixels, rough)", "class_representations(pixels, 0 * rough)"),
        ("rough for final", "return self.predict(mixed), rough", "return rough, rough"),
    ),
    *mutants_of(
        "unstride/heads/pixel_decoder.py", ( "tests/models/multitask/test_multi_task.py", "tests/models/depth/test_monodepth.py", "-k", "learns or disparities or answers", ),
        ("what nobody reads learns nothing", "nn.Identity()  #", "self.neck.layer_blocks[i]  #"),
        ("what is read is not smoothed", "range(max(levels - 1, 1), len(channels))", "range(0, len(channels))"),
        ("the coarsest enlarged", "levels[self.finest]", "levels[max(levels)]"),
    ),
    *mutants_of(
        "unstride/heads/semantic_branch.py", ("tests/heads/test_semantic_branch.py",),
        ("strides as they come", "self.strides = sorted(strides)", "self.strides = list(strides)"),
        ("enlarged before the convolution", "return upsample_guided(self.block(maps), self.up, size, finer=finer, image=image)", "return self.block(upsample_guided(maps, self.up, size, finer=finer, image=image))"),
        ("the last chain only", "total = total + maps", "total = maps"),
        ("the finest level twice", "maps = levels[self.strides[last]]", "maps = levels[self.strides[last - 1]]"),
        ("guided from fine to coarse", "zip(chain.children(), reversed(self.strides[:last]), strict=True)", "zip(chain.children(), self.strides[:last], strict=True)"),
        ("no group normalisation", "conv_norm_relu(channels, width, 3, group_norm)", "conv_norm_relu(channels, width, 3)"),
        ("no image", "maps = stage(maps, levels[fine], image)", "maps = stage(maps, levels[fine])"),
    ),
]  # fmt: skip
