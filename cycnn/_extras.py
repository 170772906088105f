"""Optional dependencies: imported where they are used, never by `import cycnn`."""

import importlib


def require(module, extra, purpose):
    """Import an optional module, or say how to install it.

    Parameters
    ----------
    module : str
        The module to import, such as ``"PIL.Image"``.
    extra : str
        The extra of cycnn that brings it, such as ``"images"``.
    purpose : str
        What it is needed for, such as ``"reading pictures"``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If it is not installed; the message is the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{purpose} needs {module.partition('.')[0]} ({error}): "
                          f'run pip install "cycnn[{extra}]"') from error
