"""What can go wrong in a training; the messages say what to mend."""


class TrainingError(RuntimeError):
    """Training cannot start or went wrong."""


class Diverged(TrainingError):
    """The weights or their gradients are no numbers any more: mostly, the learning rate is too high."""
