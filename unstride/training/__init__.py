"""What all training runs share: the run, the learner, options, checkpoints."""
