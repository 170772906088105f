"""The state of optimizers as plain data, and back."""

import numpy as np

from ..functional import _check
from ..functional._memory import aligned

# PyTorch's options that choose an implementation, and what its schedules leave in a group: nothing
# that changes a step.
_NO_MATTER = {"foreach", "capturable", "differentiable", "fused", "max_lr", "min_lr",
              "max_momentum", "base_momentum"}


def state_dict(optimizer):
    """See :meth:`Optimizer.state_dict`."""
    kept = {}
    for number, parameter in enumerate(optimizer.parameters):
        state = optimizer._states.get(parameter)
        if state is None or not (state.arrays or state.steps):
            continue
        entry = {"step": state.steps} if optimizer._COUNTS else {}
        kept[number] = entry | {name: array.reshape(state.shape)
                                for name, array in state.arrays.items()}
    groups, first = [], 0
    for group in optimizer.param_groups:
        end = first + len(group["params"])
        groups.append({**group, "params": list(range(first, end))})
        first = end
    return {"state": kept, "param_groups": groups}


def load_state_dict(optimizer, content):
    """See :meth:`Optimizer.load_state_dict`."""
    if not isinstance(content, dict) or not {"state", "param_groups"} <= content.keys():
        raise ValueError("state_dict must be a dict with the entries 'state' and 'param_groups', "
                         f"got {what(content)}")
    groups, numbers = _groups(optimizer, content["param_groups"])
    parameters = optimizer.parameters
    found = {}
    if not isinstance(content["state"], dict):
        raise ValueError(f"state must be a dict, got {what(content['state'])}")
    for number, entry in content["state"].items():
        if str(number) not in numbers:
            raise ValueError(f"state is of a parameter {number!r} that is in no group")
        found[parameters[numbers[str(number)]]] = _entry(
            optimizer, parameters[numbers[str(number)]], entry, f"state of parameter {number}")
    for group, new in zip(optimizer.param_groups, groups):
        group.pop("initial_lr", None)
        group.update(new)
    optimizer._states = {}
    for parameter, (steps, arrays) in found.items():
        state = optimizer._new_state(parameter)
        state.steps, state.arrays = steps, arrays


def _groups(optimizer, groups):
    """The options of each group, and {number of a parameter, as a string: its place}."""
    if not isinstance(groups, (list, tuple)) or len(groups) != len(optimizer.param_groups):
        raise ValueError(f"param_groups must be a list of {len(optimizer.param_groups)} groups, as "
                         f"the optimizer has, got {what(groups)}")
    result, numbers = [], {}
    for i, (group, own) in enumerate(zip(groups, optimizer.param_groups)):
        if not isinstance(group, dict) or not isinstance(group.get("params"), (list, tuple)):
            raise ValueError(f"param_groups[{i}] must be a dict with a list 'params', got "
                             f"{what(group)}")
        if len(group["params"]) != len(own["params"]):
            raise ValueError(f"param_groups[{i}] must have {len(own['params'])} parameters, as the "
                             f"optimizer's group has, got {len(group['params'])}")
        for number in group["params"]:
            numbers[str(number)] = len(numbers)
        options = {}
        for name, value in group.items():
            if name in optimizer._CHECKS:
                options[name] = optimizer._CHECKS[name](value, f"param_groups[{i}][{name!r}]")
            elif name in optimizer.defaults:
                options[name] = value
            elif name == "initial_lr":
                options[name] = _check.number(value, f"param_groups[{i}]['initial_lr']", 0)
            elif name == "decoupled_weight_decay":
                if bool(value) != getattr(optimizer, "_decoupled", False):
                    raise ValueError(f"param_groups[{i}]: decoupled_weight_decay={value}, which "
                                     f"is not what {type(optimizer).__name__} does")
            elif name != "params" and name not in _NO_MATTER and value:
                raise ValueError(f"param_groups[{i}]: {type(optimizer).__name__} has no option "
                                 f"{name}, got {value!r}")
        missing = [name for name in optimizer.defaults if name not in options]
        if missing:
            raise ValueError(f"param_groups[{i}] has no {missing[0]}")
        optimizer._check_together(options)
        result.append(options)
    if len(numbers) != len(optimizer.parameters):
        raise ValueError("param_groups names the same parameter twice")
    return result, numbers


def _entry(optimizer, parameter, entry, where):
    """(steps, {name: vector}) of one parameter."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where} must be a dict, got {what(entry)}")
    steps, arrays = 0, {}
    for name, value in entry.items():
        if hasattr(value, "detach"):            # a PyTorch tensor
            value = value.detach().cpu().numpy()
        if name == "step" and optimizer._COUNTS:
            steps = _steps(value, f"{where}: step")
        elif value is None:                     # PyTorch's momentum_buffer before the first step
            continue
        elif name in optimizer._KEPT:
            array = np.asarray(value)
            if array.dtype.kind not in "fiu":
                raise TypeError(f"{where}: {name} must be an array of numbers, got dtype "
                                f"{array.dtype}")
            if array.shape != parameter.data.shape:
                raise ValueError(f"{where}: {name} must have shape {parameter.data.shape}, got "
                                 f"{array.shape}")
            arrays[name] = aligned(array.astype(parameter.data.dtype)).reshape(-1)
        elif name != "step":
            raise ValueError(f"{where}: {type(optimizer).__name__} keeps no {name}")
    if arrays or steps:
        needed = [*optimizer._KEPT[:optimizer._NEEDED], *(["step"] if optimizer._COUNTS else [])]
        missing = [name for name in needed if entry.get(name) is None]
        if missing:
            raise ValueError(f"{where} has no {missing[0]}")
    return steps, arrays


def _steps(value, name):
    """A number of steps, which PyTorch keeps as a float, as an int."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a number, got an array of shape {value.shape}")
    number = _check.number(value, name, 0)
    if number != int(number):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    return _check.integer(int(number), name, 0)


def what(value):
    """What an error calls something that is no state."""
    if isinstance(value, dict):
        return f"a dict of {sorted(map(str, value))}"
    return f"a list of {len(value)}" if isinstance(value, (list, tuple)) else repr(type(value))
