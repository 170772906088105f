"""What a package offers but loads only when it is first used, so that its import is short."""

import importlib
import sys


def loader(package, modules=(), names=None):
    """The `__getattr__` of a package.

    Parameters
    ----------
    package : str
        Its `__name__`.
    modules : tuple of str
        Modules in it that are names of their own.
    names : dict of str to tuple of str
        Module in it: the names that it has.
    """
    places = {name: module for module, found in (names or {}).items() for name in found}

    def load(name):
        if name not in modules and name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{places.get(name, name)}")
        value = module if name in modules else getattr(module, name)
        setattr(sys.modules[package], name, value)      # the next time it is simply there
        return value

    return load
