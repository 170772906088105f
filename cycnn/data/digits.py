"""The digits that come with the package, so that a first network needs no download.

`digits.npz` holds the 1,797 images of the test set of "Optical Recognition of Handwritten Digits":

    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, 1998, DOI 10.24432/C50P49, https://archive.ics.uci.edu/dataset/80

licensed under Creative Commons Attribution 4.0 International (CC BY 4.0,
https://creativecommons.org/licenses/by/4.0/). Changed here: nothing but the form; the file stores
the published numbers, 0 to 16 (how many of the 4x4 pixels under each were inked), as uint8, and
`load_digits` scales them to 0 to 255.

The whole of the published test set is used, split at random: the writers of the held-out images
wrote training images too, which makes the task easier than with new writers.
"""

from pathlib import Path

import numpy as np

from .dataset import Dataset
from .split import split


def load_digits():
    """The 8x8 digits as (train, test): 1,437 and 360 images, always the same ones."""
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        counts, labels = file["images"], file["labels"]
    images = ((counts.astype(np.uint16) * 255 + 8) // 16).astype(np.uint8)
    return split(Dataset(images, labels, range(10)), test_fraction=0.2, seed=0)
