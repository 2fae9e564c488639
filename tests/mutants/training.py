"""Ways to break training."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/training/callbacks.py", ("tests/recipes/test_segmentation.py", "-k", "again"),
        ("saved before it is measured", "% self.every and not measured:", "% self.every:"),
        ("not saved after it is measured", 'if trainer.state.fn == "fit":', "if False:"),
    ),
    *mutants_of(
        "unstride/training/callbacks.py", ("tests/training/test_callbacks.py",),
        ("more is always better", '1 if mode == "max" else -1', "1"),
        ("equals are better", "score > self.best", "score >= self.best"),
        ("waits for ever", "self.waited += 1", "pass"),
        ("waits in all", "self.best, self.waited = score, 0", "self.best = score"),
        ("any measurement counts", 'if trainer.state.fn != "fit":', "if False:"),
        ("goes on", "        trainer.should_stop = self.waited >= self.patience\n\n    def on_validation_end", "        pass\n\n    def on_validation_end"),
        ("forgets", "self.best, self.waited = state_dict", "_ = state_dict"),
        ("activations are lost", "return convert_to_sync_batchnorm(model)", "return nn.SyncBatchNorm.convert_sync_batchnorm(model)"),
    ),
    *mutants_of(
        "unstride/training/learner.py", ("tests/recipes/test_featup.py", "-k", "same_seed or folder"),
        ("the curve is lost", 'self.curve = checkpoint["curve"]', "pass"),
    ),
    *mutants_of(
        "unstride/training/learner.py", ("tests/recipes/test_segmentation.py", "-k", "again or broken"),
        ("of the step before", "self.latest = self.global_step, scores", "self.latest = self.global_step - 1, scores"),
    ),
    *mutants_of(
        "unstride/training/lr_schedule.py", ( "tests/training/test_task_run.py", "tests/recipes/test_segmentation.py", "-k", "not two_processes and not learns_the", ),
        ("linear", "rising * (1 - done) ** 0.9", "rising * (1 - done)"),
        ("half a cosine less", "torch.pi)).item()) / 2", "torch.pi)).item())"),
        ("never a milestone", "sum(done >= milestone for", "sum(done > 2 + milestone for"),
        ("no warm-up", "if options.warmup else 1.0", "if False else 1.0"),
    ),
    *mutants_of(
        "unstride/training/options.py", ("tests/training/test_task_run.py", "-k", "refused"),
        ("no sizes", "not value or min(value) < 1", "min(value, default=1) < 1"),
        ("no pixels", "min(value) < 1)", "min(value) < 0)"),
        ("falling ranges", "0 < value[0] <= value[1]", "0 < value[0]"),
        ("to nothing", "0 < value[0] <= value[1]", "value[0] <= value[1]"),
    ),
    *mutants_of(
        "unstride/training/run.py", ("tests/recipes/test_featup.py", "-k", "same_seed or folder"),
        ("starts again", "return path if path.exists() else None", "return None"),
    ),
    *mutants_of(
        "unstride/training/run.py", ("tests/recipes/test_segmentation.py", "-k", "again or broken"),
        ("broken is no matter", "not zipfile.is_zipfile(path)", "False"),
    ),
    *mutants_of(
        "unstride/training/run_card.py", ( "tests/training/test_run_card.py", "tests/recipes/test_featup.py", "-k", "test_card or folder or json or word or halved or else", ),
        ("the folder is for the trained channels", 'describe(upsampler) | {"channels": channels}', "describe(upsampler)"),
        ("halved numbers", "tensor.half() if tensor.is_floating_point() else tensor", "tensor.half()"),
        ("anybody's commit", 'if run_git("ls-files", "--error-unmatch", here.name, folder=here.parent) is None:', "if False:"),
    ),
    *mutants_of(
        "unstride/training/task_learner.py", ("tests/recipes/test_pictures.py",),
        ("all are shown", "if index < LOGGED_IMAGES and", "if"),
        ("one name for all", 'f"{name}/{index}"', 'f"validation/{index}"'),
    ),
    *mutants_of(
        "unstride/training/task_learner.py", ( "tests/training/test_task_run.py", "tests/recipes/test_segmentation.py", "-k", "not two_processes and not learns_the", ),
        ("all of a pyramid came with weights", 'return getattr(body, "model", body)', "return body"),
        ("frozen parts learn", "part.requires_grad_(False)", "pass"),
        ("frozen statistics move", "if whole else self.frozen:", "if whole else []:"),
        ("one rate for all", "(chosen.backbone_rate if inner else 1)", "1"),
        ("vectors decay", "chosen.weight_decay if decays else 0.0", "chosen.weight_decay"),
        ("no momentum", ", momentum=0.9)", ")"),
        ("norms learn at first", "        self.train()  # Lightning does not\n", ""),
        ("norms learn", "whole = self.options.freeze_norms", "whole = False"),
        ("norms never learn", "whole = self.options.freeze_norms", "whole = True"),
        ("one of the losses", "torch.stack(list(losses.values())).sum()", "list(losses.values())[0]"),
        ("the same in every step", "world = self.trainer.world_size * self.global_step +", "world ="),
        ("the same on every device", "self.global_step + self.trainer.global_rank", "self.global_step"),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ("tests/recipes/test_segmentation.py", "-k", "measures_again or best"),
        ("measured twice", "run.patience or step != learner.global_step", "True"),
        ("the last's scores with the best weights", "run.patience or step", "step"),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ( "tests/recipes/test_detection.py", "tests/recipes/test_depth.py", "-k", "the_run_leaves or same_outputs or two_steps", ),
        ("no options of its own", "**(inside or {}), ", ""),
        ("nothing besides", "        **more,\n", ""),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ( "tests/training/test_task_run.py", "tests/recipes/test_segmentation.py", "-k", "not two_processes and not learns_the", ),
        ("the last weights, not the best", "    run.take_best(learner)\n", ""),
        ("the curve is not written", "curve=learner.curve)", "curve=[])"),
        ("measured under another name", 'f"{split}.json"', '"val.json"'),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ("tests/recipes/test_segmentation.py", "-k", "two_processes"),
        ("everyone sees all", "range(rank, len(dataset), world)", "range(0, len(dataset))"),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ("tests/recipes/test_segmentation.py", "-k", "devices"),
        ("waits for the others", "if few < devices:", "if False:"),
    ),
]  # fmt: skip
