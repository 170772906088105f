"""One import, as a process: ``python -m benchmarks.size_side LIBRARY``.

Prints how long NumPy's import took and then the library's, in seconds, and what it brought.
"""

import sys
import time

before = time.perf_counter()
import numpy  # noqa: E402, F401

between = time.perf_counter()
had = set(sys.modules)


def main(name):
    begin = time.perf_counter()
    library = __import__(name)
    seconds = time.perf_counter() - begin
    import json

    new = {name for name in set(sys.modules) - had
           if getattr(sys.modules[name], "__file__", None)}
    foreign = {name.partition(".")[0] for name in new} - {
        "numpy", name, "benchmarks", "__mp_main__", *sys.stdlib_module_names}
    print(json.dumps({"numpy": between - before, "seconds": seconds, "modules": len(new),
                      "version": library.__version__, "foreign": sorted(foreign)}))


if __name__ == "__main__":
    main(sys.argv[1])
