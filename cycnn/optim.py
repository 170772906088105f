"""Optimizers: from gradients to new weights."""

import numpy as np

from .functional import _check
from .functional.update import apply_sgd, in_place
from .layers import Parameter


class SGD:
    r"""Stochastic gradient descent, with PyTorch's update.

    .. math::
        g' = g + \lambda w, \qquad v = \mu v + g', \qquad w = w - \eta v

    with learning rate :math:`\eta`, momentum :math:`\mu` and weight decay :math:`\lambda`. In the
    first step v is g'. Nesterov's form steps by :math:`g' + \mu v` instead of v.

    Parameters
    ----------
    parameters : iterable of Parameter
        What to update: `model.parameters()`.
    lr : float
        At least 0.
    momentum : float
        From 0 to below 1.
    weight_decay : float
        At least 0.
    nesterov : bool
        Needs momentum.

    Attributes
    ----------
    lr, momentum : float
        May be changed between steps; schedules do.
    parameters : list of Parameter
    """

    def __init__(self, parameters, lr, momentum=0.0, weight_decay=0.0, nesterov=False):
        if isinstance(parameters, Parameter) or not hasattr(parameters, "__iter__"):
            raise TypeError("parameters must be an iterable of Parameters, such as "
                            f"model.parameters(), got {type(parameters).__name__}")
        self.parameters = list(parameters)
        for parameter in self.parameters:
            if not isinstance(parameter, Parameter):
                raise TypeError("parameters must be Parameters, got one "
                                f"{type(parameter).__name__}")
        if not self.parameters:
            raise ValueError("parameters is empty (a generator can be used only once)")
        if len(set(map(id, self.parameters))) < len(self.parameters):
            raise ValueError("parameters holds the same Parameter twice")
        self.lr = _check.number(lr, "lr", 0)
        self.momentum = _check.number(momentum, "momentum", 0, below=1)
        self.weight_decay = _check.number(weight_decay, "weight_decay", 0)
        self.nesterov = bool(nesterov)
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum above 0")
        self._states = [None] * len(self.parameters)

    def step(self):
        """Update every parameter that has a gradient."""
        lr = _check.number(self.lr, "lr", 0)
        momentum = _check.number(self.momentum, "momentum", 0)
        weight_decay = _check.number(self.weight_decay, "weight_decay", 0)
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is None:
                continue
            state = self._states[i]
            if state is None or state.weight is not parameter.data:
                state = self._states[i] = _State(parameter.data, state)
            # Without momentum there is no velocity: should a schedule raise it later, it starts
            # then.
            first = momentum > 0 and state.velocity is None
            if first:
                state.velocity = np.zeros_like(state.flat)
            apply_sgd(state.flat, parameter.data.shape, parameter.grad,
                      state.velocity if momentum else state.flat[:0], lr, momentum, weight_decay,
                      self.nesterov, first)

    def __repr__(self):
        return (f"SGD(lr={self.lr}, momentum={self.momentum}, weight_decay={self.weight_decay}, "
                f"nesterov={self.nesterov})")


class _State:
    """What SGD keeps for one weight: its memory as a vector, and the velocity in the same form."""

    def __init__(self, weight, before):
        self.weight = weight
        self.flat = in_place(weight, "a parameter's data")
        self.velocity = None
        if (before is not None and before.velocity is not None
                and before.velocity.size == weight.size):
            self.velocity = before.velocity.astype(weight.dtype, copy=False)
