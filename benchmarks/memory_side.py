"""One side of the suite `memory`, as a process: ``python -m benchmarks.memory_side SIDE ...``.

Prints ``[before, peak]`` in MiB.
"""

import json
import sys


def peak():
    """The most memory that this process has had, in MiB.

    On Linux not getrusage: its number survives exec, so that of a process which a large one
    started begins with the large one's.
    """
    try:
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        import resource
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak():
    """Let the peak begin again at what is in use now, where the system can do that."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def step_of(side, name, batch):
    """A function that trains the network once, on numbers drawn at random."""
    import numpy as np

    from . import nets, peers, training
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *nets.SHAPE), np.float32)
    labels = rng.integers(0, nets.CLASSES, batch)
    if side == "cycnn":
        return training.our_step(nets.build(name), x, labels)
    model = nets.build(name, peers.torch.nn)
    return peers.training_step(model, x, labels, training.LR, peers.FORMATS[side])


def main(side, name, batch, threads, steps):
    if side == "cycnn":
        sys.modules["torch"] = None         # peers.py finds none: its size is not cycnn's
    from . import peers
    peers.set_num_threads(int(threads))
    step_of(side, "A", 1)()                 # what is imported and set up at the first step
    forget_peak()
    before = peak()
    step = step_of(side, name, int(batch))
    for _ in range(int(steps)):
        step()
    print(json.dumps([before, peak()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
