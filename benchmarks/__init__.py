"""How fast cycnn is, next to its peers and to the processor's peak: ``python -m benchmarks --help``.

For the checkout alone; it is not installed with the package.
"""
