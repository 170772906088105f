"""Convolutional networks on ordinary CPUs. The public names, nothing else."""

__version__ = "0.1.0"
