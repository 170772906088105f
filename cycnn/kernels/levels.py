"""Which kernels there are, and for which instruction sets they are built.

Read by setup.py, which builds them, and by this package, which loads them.
"""

# Built once, for any processor: the one that decides which of the builds to load, and those that
# wider vectors do not help, as they look at arrays, leave copying to memcpy, or call the others.
ONCE = ["api", "arrays", "convolution", "cpu", "place", "pooling"]

# Built once for each instruction set, all of them in one library.
EACH = [
    "activation", "adaptive", "add", "augment", "avg_pool", "clip", "conv", "conv_weight",
    "depthwise", "dropout", "elementwise_loss", "fold", "layout", "linear", "loss", "norm", "peak",
    "pool", "resample", "strips", "strips_weight", "strips_winograd", "strips_winograd_weight",
    "tile", "update", "winograd", "winograd_weight",
]

# But for these, which wait for memory and not for arithmetic. Vectors twice as wide were measured
# to gain nothing there: processors with AVX-512 use the builds for AVX2, where there are such.
NO_FASTER = ["add", "augment", "clip", "fold", "layout", "loss", "norm", "resample", "update"]

# Built for size, as all that is built once is: kernels that are written in vectors as they stand,
# for the x86 processors from before 2013 that have no AVX2. They lose a few percent.
SMALL = {"baseline": ["augment", "conv", "conv_weight", "depthwise", "layout", "linear",
                      "norm", "pool", "strips", "strips_weight", "strips_winograd",
                      "strips_winograd_weight", "winograd", "winograd_weight"]}

# Compilers may fuse multiplications and additions here: the polynomials of exp and the like, a
# fifth to a third faster by it. No sum here has two products, so there is but one way to do it.
FUSED = ["activation"]


def built_for(level, levels):
    """The kernels in the library of an instruction set, if there are libraries for `levels`."""
    if level == "avx512" and "avx2" in levels:
        return [name for name in EACH if name not in NO_FASTER]
    return EACH
