"""Whether a training's model, optimizer, loss, averages and schedule fit each other."""

from .functional import cross_entropy_with_gradient
from .layers.module import Module
from .losses import CrossEntropyLoss
from .optim import ExponentialMovingAverage
from .schedules import ReduceLROnPlateau, Schedule

# What an error says was to be given.
_EXAMPLES = {"optimizer": "SGD(model.parameters(), lr=0.01)", "loss": "CrossEntropyLoss()"}


def check(model, optimizer, loss, ema):
    """Raise unless the four are what they should be, and made for each other."""
    if not isinstance(model, Module):
        raise TypeError(f"model must be a cycnn.Module, got {_kind(model)}")
    for part, name, methods in ((optimizer, "optimizer", ["step"]),
                                (loss, "loss", ["forward", "backward", "check_targets"])):
        if isinstance(part, type) or not all(hasattr(part, method) for method in methods):
            raise TypeError(f"{name} must be one such as cycnn."
                            f"{_EXAMPLES[name]}, got {_kind(part)}")
    parameters = getattr(optimizer, "parameters", None)
    own = set(map(id, model.parameters()))
    _check_shared(model)
    if isinstance(parameters, list) and own.isdisjoint(map(id, parameters)):
        raise ValueError("optimizer must be made with the parameters of this model: it has none "
                         "of them")
    if getattr(loss, "reduction", "mean") == "none":
        raise ValueError('loss must have reduction "mean" or "sum" to train with, got "none"')
    if ema is not None and not isinstance(ema, ExponentialMovingAverage):
        raise TypeError("ema must be a cycnn.ExponentialMovingAverage, got "
                        f"{type(ema).__name__}")
    if ema is not None and not own.issuperset(map(id, ema.parameters)):
        raise ValueError("ema must be made with this model, or with parameters of it")


def check_schedule(schedule, epochs, batches, names, anew):
    """Raise unless the schedule is one, and long enough; `names` are those in the history.

    `anew`: what it has done so far will be what a checkpoint says, as part of these epochs.
    """
    if schedule is None:
        return
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a cycnn.schedules.Schedule, got "
                        f"{type(schedule).__name__}")
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.check_monitor(names)
    batchwise = schedule.interval == "batch"
    total = schedule.total_steps
    if total is None or batchwise and batches is None:
        return
    steps = epochs * batches if batchwise else epochs
    done = 0 if anew else schedule.last_step
    if done + steps > total:
        raise ValueError(f"schedule is made for {total} {'batches' if batchwise else 'epochs'} and "
                         f"has done {done}, this fit needs {steps}: give it total_steps={steps}")


def without_weight(loss, outputs, targets):
    """(sum, its gradient or None) of a small batch whose labels all weigh 0: it has no mean.

    Label smoothing gives a part of each target to classes that do weigh something, and that is in
    the sum over the large batch.
    """
    options = loss.options if type(loss) is CrossEntropyLoss else None
    if options is None or options.weight is None or not options.label_smoothing:
        return 0.0, None
    return cross_entropy_with_gradient(outputs, targets, options.weight, options.ignore_index,
                                       "sum", options.label_smoothing)


def _check_shared(model):
    """Raise if layers share a Parameter: the gradient of one would overwrite that of the other."""
    names = {}
    for name, parameter in model.named_parameters():
        if (other := names.setdefault(id(parameter), name)) != name:
            raise ValueError("model must have a Parameter of its own for each place, "
                             f"{name} is the same as {other}")


def _kind(value):
    """What an error calls something that is no such thing."""
    return f"the class {value.__name__} itself" if isinstance(value, type) else repr(value)
