"""A small data set, network and trainer for the tests of training, and data on a disk."""

import threading

import numpy as np

import cycnn as cn


def shapes(rng, number, size=8, channels=1):
    """Pictures of horizontal (0) and vertical (1) stripes and of noise (2), uint8, with labels."""
    labels = rng.integers(0, 3, number)
    images = rng.integers(0, 60, (number, channels, size, size))
    stripes = 150 * (np.arange(size) % 4 < 2)
    images[labels == 0] += stripes[:, None]
    images[labels == 1] += stripes
    images[labels == 2] += rng.permutation(np.resize(stripes, size * size)).reshape(size, size)
    return images.astype(np.uint8), labels


def network(dtype=np.float32, seed=0, channels=1):
    rng = np.random.default_rng(seed)
    return cn.Sequential(cn.Conv2d(channels, 6, 3, dtype=dtype, rng=rng), cn.ReLU(),
                         cn.MaxPool2d(2), cn.Flatten(), cn.Linear(54, 3, dtype=dtype, rng=rng))


def trainer_of(model, lr=0.02, momentum=0.9, seed=0, **options):
    return cn.Trainer(model, cn.SGD(model.parameters(), lr, momentum, **options),
                      cn.CrossEntropyLoss(), seed=seed)


def bytes_of(model):
    return b"".join(array.tobytes() for array in model.state_dict().values())


class Disk:
    """As an h5py data set is indexed: by slices and by increasing lists, each index once."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        if not isinstance(index, slice):
            assert (np.diff(index) > 0).all()
        read = self.array[index]
        self.reads.append((len(read), threading.current_thread()))
        return read


def no_thread_is_left():
    """None that makes batches; tqdm has one of its own."""
    return not [thread for thread in threading.enumerate() if thread.name == "cycnn batches"]


def mapped(array, folder):
    np.save(folder / "images.npy", array)
    return np.load(folder / "images.npy", mmap_mode="r")


def fitted(train, epochs=2, seed=5, **options):
    model = network(channels=2)
    history = trainer_of(model, seed=seed).fit(train, epochs, 16, progress=False, **options)
    return bytes_of(model), history.train_loss, model.normalization


def batches_of(train, size=16):
    for start in range(0, len(train[1]), size):
        yield train[0][start:start + size], train[1][start:start + size]
