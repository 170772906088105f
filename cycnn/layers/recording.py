"""What passes through a network: every layer's result, in the order of the calls."""

import contextlib

from .container import Sequential


@contextlib.contextmanager
def recording(network, record):
    """Within the block every layer's call is followed by ``record(name, layer, x, y)``.

    Chains are taken apart for it; a Sequential hands on what its last layer gives, and is no layer
    of its own. After the block every module is as it was before: its mode and what it remembers,
    too.
    """
    names = {network: ""}
    for name, module in named_modules(network):
        names.setdefault(module, name)
    before = [(module, dict(vars(module))) for module in names]
    try:
        for module, name in names.items():
            if isinstance(module, Sequential):
                module._steps = module._inference = list(enumerate(module.layers))
            if type(module).forward is not Sequential.forward or "forward" in vars(module):
                module.forward = _recorded(module.forward, name, module, record)
        yield
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)


def named_modules(module, prefix=""):
    """Yield (name, module) for all modules inside this one, with PyTorch's names."""
    for name, child in module.named_children():
        yield prefix + name, child
        yield from named_modules(child, f"{prefix}{name}.")


def _recorded(forward, name, module, record):
    def recorded(x, *arguments, **options):
        y = forward(x, *arguments, **options)
        record(name, module, x, y)
        return y
    return recorded
