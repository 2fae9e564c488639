"""Ways to break training."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/training/callbacks.py", ("tests/recipes/test_segmentation.py", "-k", "again"),
        ("saved before it is measured", "% self.every_n_steps and not validates:", "% self.every_n_steps:"),
        ("not saved after it is measured", 'if trainer.state.fn == "fit":', "if False:"),
    ),
    *mutants_of(
        "unstride/training/callbacks.py", ("tests/training/test_callbacks.py",),
        ("more is always better", '1 if mode == "max" else -1', "1"),
        ("equals are better", "score > self.best_score", "score >= self.best_score"),
        ("waits for ever", "self.wait_count += 1", "pass"),
        ("waits in all", "self.best_score, self.wait_count = score, 0", "self.best_score = score"),
        ("any measurement counts", 'if trainer.state.fn != "fit":', "if False:"),
        ("goes on", "        trainer.should_stop = self.wait_count >= self.patience\n\n    def on_validation_end", "        pass\n\n    def on_validation_end"),
        ("forgets", "self.best_score, self.wait_count = state_dict", "_ = state_dict"),
        ("activations are lost", "return convert_to_sync_batchnorm(model)", "return nn.SyncBatchNorm.convert_sync_batchnorm(model)"),
        ("checkpoints in place", "with atomic_path(path) as temporary:", "for temporary in [path]:"),
    ),
    *mutants_of(
        "unstride/training/dataset_splits.py", ("tests/recipes/test_depth.py", "-k", "nyuv2"),
        ("the val of nyuv2", '== ("nyuv2", "val")', '== ("nyuv", "val")'),
    ),
    *mutants_of(
        "unstride/training/dataset_splits.py", ("tests/recipes/test_detection.py", "tests/recipes/test_segmentation.py", "-k", "other_classes"),
        ("any classes", "if classes != expected:", "if False:"),
    ),
    *mutants_of(
        "unstride/training/dataset_splits.py", ("tests/recipes/test_own_data.py", "-k", "coco_file"),
        ("boxes for masks", 'if model == "mask_rcnn" and dataset.missing_mask:', "if False:"),
    ),
    *mutants_of(
        "unstride/training/dataset_splits.py", ("tests/training/test_dataset_splits.py",),
        ("options of other data sets", "for key in given.keys() - set(datasets[name].option_names):", "for key in ():"),
        ("all are kept", "[i for i in indices if i in all_with_objects]", "list(indices)"),
        ("nothing is scored", "    with_objects(dataset, subset.indices, advice)\n", ""),
        ("the whole split is asked", "with_objects(dataset, subset.indices, advice)", "with_objects(dataset, range(len(dataset)), advice)"),
    ),
    *mutants_of(
        "unstride/training/learner.py", ("tests/recipes/test_featup.py", "-k", "same_seed or folder"),
        ("the curve is lost", 'self.loss_curve = checkpoint["curve"]', "pass"),
    ),
    *mutants_of(
        "unstride/training/learner.py", ("tests/recipes/test_segmentation.py", "-k", "again or broken"),
        ("of the step before", "self.last_validation = self.global_step, scores", "self.last_validation = self.global_step - 1, scores"),
    ),
    *mutants_of(
        "unstride/training/lr_schedule.py", ( "tests/training/test_task_run.py", "tests/recipes/test_segmentation.py", "-k", "not learns_the", ),
        ("linear", "warmup * (1 - progress) ** 0.9", "warmup * (1 - progress)"),
        ("half a cosine less", "torch.pi)).item()) / 2", "torch.pi)).item())"),
        ("never a milestone", "sum(progress >= milestone for", "sum(progress > 2 + milestone for"),
        ("no warm-up", "if options.warmup_steps else 1.0", "if False else 1.0"),
    ),
    *mutants_of(
        "unstride/training/run.py", ("tests/training/test_callbacks.py",),
        ("leftovers stay", "        remove_leftovers(self.out)\n", ""),
        ("Lightning's checkpoints", "[AtomicCheckpointIO(), *batch_norm_sync]", "[*batch_norm_sync]"),
        ("damage is a traceback", '            with naming_file(path, "damaged"):\n', "            if True:\n"),
    ),
    *mutants_of(
        "unstride/training/options.py", ("tests/training/test_options.py",),
        ("fields are not checked", "        check_fields(self)\n", ""),
        ("near is far", "if options.near >= options.far:", "if False:"),
        ("near as far", "if options.near >= options.far:", "if options.near > options.far:"),
        ("any learning rate", "learning_rate: NonNegativeFloat", "learning_rate: float"),
        ("any stride", "strides: PositiveInts", "strides: tuple[int, ...]"),
        ("a depth range of one depth", "Interval(may_be_equal=False)", "Interval()"),
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
        "unstride/training/run_outputs.py", ( "tests/training/test_run_outputs.py", "tests/recipes/test_featup.py", "-k", "test_card or folder or json or word or halved or else", ),
        ("the folder is for the trained channels", 'describe(upsampler) | {"channels": channels}', "describe(upsampler)"),
        ("halved numbers", "tensor.half() if tensor.is_floating_point() else tensor", "tensor.half()"),
        ("anybody's commit", 'if run_git("ls-files", "--error-unmatch", file.name, folder=file.parent) is None:', "if False:"),
    ),
    *mutants_of(
        "unstride/training/task_learner.py", ("tests/recipes/test_pictures.py",),
        ("all are shown", "if index < LOGGED_IMAGES and", "if"),
        ("one name for all", 'f"{tag}/{index}"', 'f"validation/{index}"'),
    ),
    *mutants_of(
        "unstride/training/task_learner.py", ( "tests/training/test_task_run.py", "tests/recipes/test_segmentation.py", "-k", "not learns_the", ),
        ("all of a pyramid came with weights", 'return getattr(backbone, "model", backbone)', "return backbone"),
        ("frozen parts learn", "layer.requires_grad_(False)", "pass"),
        ("frozen statistics move", "frozen = self.frozen_layers", "frozen = []"),
        ("one rate for all", "(options.backbone_lr_factor if in_backbone else 1)", "1"),
        ("vectors decay", "options.weight_decay if decays else 0.0", "options.weight_decay"),
        ("no momentum", ", momentum=0.9)", ")"),
        ("norms learn at first", "        self.train()  # Lightning does not switch to training mode\n", ""),
        ("norms learn", "if self.options.freeze_norms:", "if False:"),
        ("norms never learn", "if self.options.freeze_norms:", "if True:"),
        ("one of the losses", "torch.stack(list(losses.values())).sum()", "list(losses.values())[0]"),
        ("the same in every step", "draw = self.trainer.world_size * self.global_step +", "draw ="),
        ("the same on every device", "self.global_step + self.trainer.global_rank", "self.global_step"),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ("tests/recipes/test_segmentation.py", "-k", "measures_again or best"),
        ("measured twice", "run.patience or step != learner.global_step", "True"),
        ("the last's scores with the best weights", "run.patience or step", "step"),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ( "tests/recipes/test_detection.py", "tests/recipes/test_depth.py", "-k", "the_run_leaves or same_outputs or two_steps", ),
        ("no options of its own", "**(network_options or {}), ", ""),
        ("nothing besides", "        **extra,\n", ""),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ( "tests/training/test_task_run.py", "tests/recipes/test_segmentation.py", "-k", "not learns_the", ),
        ("the last weights, not the best", "    run.load_best_weights(learner)\n", ""),
        ("the curve is not written", "curve=learner.loss_curve)", "curve=[])"),
        ("measured under another name", 'f"{split}.json"', '"val.json"'),
    ),
    *mutants_of(
        "unstride/training/data_module.py", ("tests/recipes/test_processes.py", "-k", "two_processes"),
        ("everyone sees all", "range(rank, len(dataset), world)", "range(0, len(dataset))"),
    ),
    *mutants_of(
        "unstride/training/task_run.py", ("tests/recipes/test_segmentation.py", "-k", "devices"),
        ("waits for the others", "if num_images < devices:", "if False:"),
    ),
    *mutants_of(
        "unstride/training/learner.py", ("tests/training/test_regenerate.py", "-k", "recipe or detached or killed or batch_norms or trace"),
        ("clipped together", "for regenerates in (False, True):", "for regenerates in ():"),
        ("scores of regeneration", 'UNSCORED = "loss", "regeneration"', 'UNSCORED = ("loss",)'),
        ("never trained", 'return [{"params": parameters,', 'return [{"params": parameters[:0],'),
    ),
    *mutants_of(
        "unstride/training/regenerate.py", ("tests/training/test_regenerate.py",),
        ("statistics move", "        norm.eval()\n", "        pass\n"),
        ("norms stay fixed", "            norm.train()\n", "            pass\n"),
        ("the hook stays", "            self._hook.remove()\n", ""),
        ("the module stays", "del self._hook, pl_module.training_step, pl_module.regeneration", "del self._hook, pl_module.training_step"),
        ("the step stays", "del self._hook, pl_module.training_step, pl_module.regeneration", "del self._hook, pl_module.regeneration"),
        ("the loss is not added", '"loss": result["loss"] + loss}', '"loss": result["loss"] + 0 * loss}'),
        ("any optimizer", "if any(id(p) not in optimized", "if False and any(id(p) not in optimized"),
        ("no picture", "            save_png(picture, self.path)\n", "            pass\n"),
        ("any number of rows", "range(min(len(images), MAX_ROWS))", "range(len(images))"),
    ),
    *mutants_of(
        "unstride/training/run.py", ("tests/training/test_regenerate.py", "-k", "recipe"),
        ("no report", "self.regeneration_report = learner.regeneration_report()", "pass"),
        ("never begun", '        learner.start_regeneration(options["regenerate"], options["steps"], options["seed"])\n', ""),
    ),
    *mutants_of(
        "unstride/training/critic_trainer.py", ("tests/training/test_critic_trainer.py",),
        ("the network learns from the critic's step", "fake.detach().float()", "fake.float()"),
        ("the critic learns from the network's step", "        self.critic.requires_grad_(False)\n", ""),
        ("the optimizer starts anew", '        self.optimizer.load_state_dict(state["optimizer"])\n', ""),
    ),
]  # fmt: skip
