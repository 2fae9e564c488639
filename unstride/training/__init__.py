"""What all training runs share: the run, the learner, options, schedules and checkpoints."""
