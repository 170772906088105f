"""Optimizers: from gradients to new weights."""

import numpy as np

from .functional import _check
from .functional.update import Weight, apply_sgd
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
        self._weights = [None] * len(self.parameters)

    def step(self):
        """Update every parameter that has a gradient."""
        lr = _check.number(self.lr, "lr", 0)
        momentum = _check.number(self.momentum, "momentum", 0)
        weight_decay = _check.number(self.weight_decay, "weight_decay", 0)
        weights, grads = [], []
        for i, parameter in enumerate(self.parameters):
            grad = parameter.pending
            if grad is None:
                grad = parameter.grad
                if grad is None:
                    continue
            weight = self._weights[i]
            if weight is None or weight.data is not parameter.data:
                weight = self._weights[i] = _weight(parameter.data, weight)
            # Without momentum there is no velocity: should a schedule raise it later, it starts
            # then. From zero: the first step's is g' itself.
            if momentum and weight.velocity is None:
                weight.set_velocity(np.zeros_like(weight.flat))
            weights.append(weight)
            grads.append(grad)
        apply_sgd(weights, grads, lr, momentum, weight_decay, self.nesterov)

    def state_dict(self):
        """What the next steps depend on, in PyTorch's form: the arrays themselves, not copies."""
        state = {i: {"momentum_buffer": weight.velocity.reshape(weight.shape)}
                 for i, weight in enumerate(self._weights)
                 if weight is not None and weight.velocity is not None}
        group = {"lr": self.lr, "momentum": self.momentum, "weight_decay": self.weight_decay,
                 "nesterov": self.nesterov, "params": list(range(len(self.parameters)))}
        return {"state": state, "param_groups": [group]}

    def load_state_dict(self, state_dict):
        """Go on from what :meth:`state_dict` returned.

        Raises
        ------
        ValueError
            If it is of other parameters; nothing has been changed.
        """
        (group,), state = state_dict["param_groups"], state_dict["state"]
        if len(group["params"]) != len(self.parameters):
            raise ValueError(f"state_dict is of {len(group['params'])} parameters, this SGD has "
                             f"{len(self.parameters)}")
        weights = [_weight(parameter.data, None) for parameter in self.parameters]
        for i, kept in state.items():
            velocity = np.array(kept["momentum_buffer"], weights[i].dtype)
            if velocity.shape != weights[i].shape:
                raise ValueError(f"momentum_buffer {i} has shape {velocity.shape}, needed is "
                                 f"{weights[i].shape}")
            weights[i].set_velocity(velocity.reshape(-1))
        self._weights = weights
        self.lr, self.momentum = group["lr"], group["momentum"]
        self.weight_decay, self.nesterov = group["weight_decay"], group["nesterov"]

    def __repr__(self):
        return (f"SGD(lr={self.lr}, momentum={self.momentum}, weight_decay={self.weight_decay}, "
                f"nesterov={self.nesterov})")


def _weight(data, before):
    """What SGD keeps for a parameter whose array is new: the velocity of the one before, if any."""
    weight = Weight(data, "a parameter's data")
    if before is not None and before.velocity is not None and before.velocity.size == data.size:
        weight.set_velocity(before.velocity.astype(data.dtype, copy=False))
    return weight
