"""What all optimizers have in common: groups of parameters, and what is kept for each of them."""

from functools import partial

import numpy as np

from ..functional import _check
from ..functional._memory import aligned
from ..functional.linear import WeightGradient
from ..functional.update import Weight, check_gradients
from ..layers import Parameter
from . import state


def option(name):
    """An attribute that stands for the option of this name in all groups."""
    def get(self):
        return self.param_groups[0][name]

    def set_all(self, value):
        for group in self.param_groups:
            group[name] = value
            if name == "lr":
                group.pop("initial_lr", None)       # schedules made from now on begin here

    return property(get, set_all)


class Optimizer:
    """An optimizer of your own needs `step`, which changes the `data` of the parameters.

    Parameters
    ----------
    parameters : iterable of Parameter, or of dict
        What to update: `model.parameters()`; or groups of them, each a dict with the entry
        ``"params"`` and those options that are not to be the defaults:
        ``[{"params": model[0].parameters(), "lr": 0.01}, {"params": model[2].parameters()}]``.
    defaults : dict
        The options of groups that do not give them.

    Raises
    ------
    TypeError, ValueError
        If `parameters` are no such things, are none, or one comes twice; if an option is unknown or
        out of its range. Also by `step`, where one was changed to something impossible, or a
        gradient has not its parameter's shape and type; no weight has been changed then.

    Attributes
    ----------
    param_groups : list of dict
        As in PyTorch: ``"params"``, a list, and every option. May be changed between steps;
        schedules do.
    parameters : list of Parameter
        Those of all groups in turn.
    lr : float
        That of the first group. Setting it sets all groups', as with every other option.

    Examples
    --------
    >>> class SignSGD(Optimizer):
    ...     def __init__(self, parameters, lr):
    ...         super().__init__(parameters, {"lr": lr})
    ...     def step(self):
    ...         for group in self.param_groups:
    ...             for parameter in group["params"]:
    ...                 if parameter.grad is not None:
    ...                     parameter.data -= group["lr"] * np.sign(parameter.grad)
    """

    lr = option("lr")

    # name of an option -> its check, a function of value and name. `step` gets them in this order.
    _CHECKS = {}
    # What may be kept for a parameter, by PyTorch's names; of these, how many always are.
    _KEPT = ()
    _NEEDED = 1
    # Whether there is a "step" in it.
    _COUNTS = False

    def __init__(self, parameters, defaults):
        groups = listed(parameters)
        if not any(isinstance(group, dict) for group in groups):
            groups = [{"params": groups}]
        self.defaults = defaults
        self.param_groups = []
        self._states = {}
        self._checked = None
        self._check_group({"params": [], **defaults})
        for group in groups:
            self.add_param_group(group)

    @property
    def parameters(self):
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def add_param_group(self, param_group):
        """Update more parameters from now on.

        Parameters
        ----------
        param_group : dict
            ``"params"``, a Parameter or an iterable of them, and any options; the others are the
            optimizer's defaults.

        Raises
        ------
        TypeError, ValueError
            If it is no such dict, has an unknown or impossible option, no parameters, or one that
            the optimizer has already. Nothing has been changed.
        """
        if not isinstance(param_group, dict):
            raise TypeError("parameters must be Parameters, or dicts with the Parameters of a "
                            f"group, got one {type(param_group).__name__}")
        if "params" not in param_group:
            raise ValueError("a group of parameters must be a dict with the entry 'params', got "
                             f"{sorted(map(str, param_group))}")
        params = param_group["params"]
        params = [params] if isinstance(params, Parameter) else listed(params)
        group = {**self.defaults, **param_group, "params": params}
        only_parameters(group["params"])
        known = set(map(id, self.parameters))
        if len(known | set(map(id, group["params"]))) < len(known) + len(group["params"]):
            raise ValueError("parameters holds the same Parameter twice")
        unknown = [name for name in group if name not in {"params", "initial_lr", *self.defaults}]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no option of {type(self).__name__}; its options "
                             f"are {', '.join(self.defaults)}")
        if "initial_lr" in group:
            group["initial_lr"] = at_least_0(group["initial_lr"], "initial_lr")
        self.param_groups.append(self._check_group(group))

    def step(self):
        """Update every parameter that has a gradient."""
        work = []
        for group in self.param_groups:
            options = self._options(group)
            work.append((options, *self._ready(group["params"], self._names(*options))))
        if len(work) > 1:
            for _, weights, grads in work:
                check_gradients(weights, grads)
        for options, weights, grads in work:
            self._update(weights, grads, *options)

    def zero_grad(self):
        """Forget the gradients. Not needed before `backward`, which overwrites them."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self):
        """All that the optimizer needs to go on: plain arrays, numbers and lists, no objects.

        Returns
        -------
        dict
            ``"state"``: {number of a parameter: {name: array or int}}, the arrays themselves, not
            copies; ``"param_groups"``: the groups with the numbers of their parameters. PyTorch's
            names.
        """
        return state.state_dict(self)

    def load_state_dict(self, state_dict):
        """Go on where another optimizer of the same kind and the same parameters was.

        Parameters
        ----------
        state_dict : dict
            As :meth:`state_dict` returns it, also after a way through JSON (which makes the numbers
            of parameters strings), or PyTorch's of the same optimizer. Arrays are copied.

        Raises
        ------
        ValueError, TypeError
            If it is of other groups, shapes or options. Nothing has been changed.
        """
        state.load_state_dict(self, state_dict)

    def _check_group(self, group):
        """The group with its options as numbers, or an error."""
        for name, check in self._CHECKS.items():
            group[name] = check(group[name], name)
        self._check_together(group)
        return group

    def _check_together(self, group):
        """Raise where options, each in its range, do not go with each other."""

    def _options(self, group):
        """The options of a group in the order of `_CHECKS`."""
        values = [group[name] for name in self._CHECKS]
        try:
            changed = values != self._checked       # mostly they are those of the last step
        except ValueError:                          # an array, which is not simply equal or not
            changed = True
        if changed:
            values = [check(group[name], name) for name, check in self._CHECKS.items()]
            self._check_together(group)
            self._checked = values
        return values

    def _names(self, *options):
        """What the update with these options keeps, in the kernel's order."""
        return self._KEPT

    def _update(self, weights, grads, *options):
        """The step of a group: `weights` are States, `grads` arrays or WeightGradients."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    # Whether `_update` takes a gradient that is still a product of two matrices.
    _takes_products = False

    def _ready(self, parameters, names):
        """([State, ...], [gradient, ...]) of the parameters that have a gradient."""
        states, grads = [], []
        for parameter in parameters:
            grad = parameter.pending
            if grad is None or not self._takes_products or type(grad) is not WeightGradient:
                grad = parameter.grad
                if grad is None:
                    continue
            kept = self._states.get(parameter)
            if kept is None or kept.data is not parameter.data:
                kept = self._new_state(parameter, kept)
            if kept.names != names:
                kept.arrange(names)
            states.append(kept)
            grads.append(grad)
        return states, grads

    def _new_state(self, parameter, before=None):
        state = self._states[parameter] = State(parameter.data, before)
        return state

    def __repr__(self):
        groups = [", ".join(f"{name}={group[name]}" for name in self.defaults)
                  for group in self.param_groups]
        return f"{type(self).__name__}({'; '.join(groups)})"


class State(Weight):
    """What is kept for a parameter: of one whose array is new, what was kept `before`.

    Attributes
    ----------
    arrays : dict of str to numpy.ndarray
        Vectors by PyTorch's names.
    names : tuple of str
        Those that the kernel is given, in its order.
    steps : int
        How often the parameter was updated.
    """

    def __init__(self, data, before=None):
        super().__init__(data, "a parameter's data")
        self.names, self.arrays, self.steps = (), {}, 0
        if before is not None and before.size == data.size:
            self.steps = before.steps
            self.arrays = {name: array.astype(data.dtype, copy=False)
                           for name, array in before.arrays.items()}

    def arrange(self, names):
        """Keep these; what there was not yet begins with zeros."""
        for name in names:
            if name not in self.arrays:
                self.arrays[name] = aligned(np.zeros_like(self.flat))
        self.names = names
        self.keep(*(self.arrays[name] for name in names))


# --- arguments -----------------------------------------------------------------------------------

def listed(parameters):
    """What an iterable of Parameters holds, or an error if it is no such thing, or empty."""
    # An array without axes has an __iter__ too, which raises.
    if (isinstance(parameters, (Parameter, dict, set, str))
            or not hasattr(parameters, "__iter__") or getattr(parameters, "ndim", 1) == 0):
        raise TypeError("parameters must be an iterable of Parameters in their order, such as "
                        f"model.parameters(), got {type(parameters).__name__}")
    parameters = list(parameters)
    if not parameters:
        raise ValueError("parameters is empty (a generator can be used only once)")
    return parameters


def only_parameters(parameters):
    """The list as it is, or an error if something in it is no Parameter."""
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            raise TypeError(f"parameters must be Parameters, got one {type(parameter).__name__}")
    return parameters


# Checks of value and name.
at_least_0 = partial(_check.number, minimum=0)
below_1 = partial(_check.number, minimum=0, below=1)

flag = _check.flag
