"""What the options of ``cycnn train`` stand for: each an object of the Python interface."""

import math
from pathlib import Path

import cycnn as cn

from .. import data, models
from ..callbacks import Callback, Checkpoint, CSVLog, EarlyStopping, JSONLinesLog, TimeLimit
from ..data import augment

#: name -> (the number if none is given, the augmentation of that number and the images' size).
AUGMENTATIONS = {
    "shift": (2, lambda pixels, size: augment.RandomShift(pixels)),
    "crop": (4, lambda padding, size: augment.RandomCrop(size, padding)),
    "flip": (0.5, lambda p, size: augment.RandomHorizontalFlip(p)),
    "vflip": (0.5, lambda p, size: augment.RandomVerticalFlip(p)),
    "rotate": (10.0, lambda degrees, size: augment.RandomRotation(degrees, "bilinear")),
    "erase": (0.5, lambda p, size: augment.RandomErasing(p)),
}

#: name -> (class, the options that are not its own defaults).
OPTIMIZERS = {
    "sgd": (cn.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}),
    "adam": (cn.Adam, {}),
    "adamw": (cn.AdamW, {}),
    "rmsprop": (cn.RMSprop, {"lr": 1e-3}),
}

#: name -> the schedule of an optimizer for so many steps, or None.
SCHEDULES = {
    "onecycle": lambda optimizer, steps: cn.OneCycleLR(optimizer, optimizer.lr, steps,
                                                       cycle_momentum=False),
    "cosine": cn.CosineAnnealingLR,
    "constant": lambda optimizer, steps: None,
}

#: The names of files that `--log` can write, by their ends.
LOGS = {".jsonl": JSONLinesLog, ".csv": CSVLog}


def augmentation(text):
    """[(name, number)] of a list such as ``shift:2,flip,rotate:10``.

    Raises
    ------
    ValueError
        Also where the augmentation does not take the number.
    """
    parts = []
    for part in text.split(","):
        name, colon, number = part.strip().partition(":")
        if name not in AUGMENTATIONS:
            raise ValueError(f"must be a list of {', '.join(AUGMENTATIONS)}, such as "
                             f"shift:2,flip,rotate:10; got {part!r}")
        default, make = AUGMENTATIONS[name]
        kind = type(default)
        try:
            value = kind(number) if colon else default
        except ValueError:
            raise ValueError(f"{name} takes a {'whole ' * (kind is int)}number, such as "
                             f"{name}:{default}; got {part!r}") from None
        try:
            make(value, 1)
        except ValueError as error:
            raise ValueError(f"{part}: {error}") from None
        parts.append((name, value))
    return parts


class Recipe:
    """All that :meth:`cycnn.Trainer.fit` is given but the data.

    Parameters
    ----------
    args : argparse.Namespace
    train : cycnn.data.Dataset
    epochs, steps : int
        Passes over the images, and steps of the optimizer in all of them.

    Attributes
    ----------
    trainer : cycnn.Trainer
    schedule, augment, early_stopping
        Or None.
    callbacks : list of cycnn.callbacks.Callback
    """

    def __init__(self, args, train, epochs, steps):
        shape = train.images.shape[1:]
        cn.manual_seed(args.seed)
        try:
            model = getattr(models, args.model)(shape, len(train.classes))
        except ValueError as error:
            raise ValueError(f"--model {args.model}: {error}") from error
        kind, options = OPTIMIZERS[args.optimizer]
        given = {"lr": args.lr, "weight_decay": args.weight_decay}
        optimizer = kind(model.parameters(), **options | {
            name: value for name, value in given.items() if value is not None})
        self.schedule = SCHEDULES[args.schedule](optimizer, steps)
        # With a warm-up, for without one a short training would end with its first weights.
        ema = None if args.ema is None else cn.ExponentialMovingAverage(
            model, args.ema, warmup=True)
        self.trainer = cn.Trainer(
            model, optimizer, cn.CrossEntropyLoss(label_smoothing=args.label_smoothing),
            seed=args.seed, ema=ema)
        self.augment = args.augment and augment.Compose([
            AUGMENTATIONS[name][1](number, shape[1:])
            for name, number in augmentation(args.augment)])
        self.early_stopping = args.early_stopping and EarlyStopping(
            "val_loss", args.early_stopping, restore_best_weights=True)
        self.callbacks = [callback for callback in (
            _Same(args, optimizer, epochs),
            self.early_stopping,
            args.time_limit and TimeLimit(args.time_limit),
            args.log and LOGS[Path(args.log).suffix.lower()](args.log),
            args.checkpoint and Checkpoint(args.checkpoint)) if callback]

    def take_kept_weights(self):
        """Give the model the weights that are to be kept, if they are not its last ones."""
        early, ema = self.early_stopping, self.trainer.ema
        if ema and not (early and math.isfinite(early.best)):
            ema.copy_to()


class _Same(Callback):
    """Has a checkpoint refused that was begun with other options: its weights would be those of
    neither training."""

    def __init__(self, args, optimizer, epochs):
        names = ["model", "augment", "validation", "optimizer", "schedule", "label_smoothing",
                 "ema"]
        self.options = {name: getattr(args, name) for name in names} | {
            name: optimizer.defaults[name] for name in ("lr", "weight_decay")}
        # Another path may lead to the same data.
        self.options["data"] = args.data if args.data in data.NAMES else "files"
        if args.schedule != "constant":         # it is made for so many
            self.options["epochs"] = epochs

    def on_fit_begin(self, trainer, state):
        state.setup.update({f"--{name.replace('_', '-')}": value
                            for name, value in self.options.items()})
