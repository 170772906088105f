"""What a training is fed with: memory-mapped files, folders, generators; augmented, in parts."""

import os
import signal
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import cycnn as cn
from cycnn import data
from cycnn.ahead import ahead
from cycnn.callbacks import Callback
from cycnn.data.augment import Compose, RandomCrop, RandomHorizontalFlip, RandomShift
from cycnn.data.lazy import Lazy
from test_layout import peak_memory
from test_training import bytes_of, network, shapes, trainer_of


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


@pytest.fixture
def train(rng):
    return shapes(rng, 70, channels=2)


# --- images that stay where they are -----------------------------------------------------------

@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int16, np.float16])
@pytest.mark.parametrize("augment", [None, RandomShift(1)])
def test_images_on_the_disk_train_as_those_in_memory(kind, augment, train, tmp_path):
    images, labels = train[0].astype(kind), train[1]
    expected = fitted((images, labels), augment=augment)
    disk = Disk(images)
    for other in (mapped(images, tmp_path), np.asarray(mapped(images, tmp_path)), disk):
        assert fitted((other, labels), augment=augment) == expected
        assert fitted(data.Dataset(other, labels), augment=augment) == expected
    # Batch by batch, in another thread than the one that trains.
    assert max(size for size, _ in disk.reads) <= 70
    assert any(thread is not threading.main_thread() for _, thread in disk.reads)


def test_a_memory_mapped_set_is_never_copied(tmp_path, rng):
    labels = rng.integers(0, 3, 12000)
    images = mapped(rng.integers(0, 256, (12000, 3, 32, 32), np.uint8), tmp_path)
    model = cn.Sequential(cn.AvgPool2d(8), cn.Flatten(), cn.Linear(48, 3, rng=0))
    trainer = trainer_of(model)
    tracemalloc.start()
    try:
        train, validation = data.split(data.Dataset(images, labels, "abc"), 0.25)
        trainer.fit(train, 1, 100, validation=validation, progress=False,
                    augment=RandomCrop(32, padding=2))
        trainer.predict_proba(train.images)
        trainer.evaluate(validation)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(train) == 9000 and len(validation) == 3000
    assert peak < images.nbytes / 2             # of 35 MiB; a batch of 256 as float32 has 3


def test_a_subset_of_a_subset_reads_what_it_says(tmp_path, rng):
    images = rng.integers(0, 256, (40, 1, 5, 4)).astype(np.uint8)
    labels = np.arange(40) % 4
    for source in (mapped(images, tmp_path), Disk(images)):
        whole = data.Dataset(source, labels)
        part = whole[[7, 3, 3, 39]][[2, 0]]
        assert isinstance(part.images, Lazy) and part.labels.tolist() == [3, 3]
        np.testing.assert_array_equal(part.images[:], images[[3, 7]])
        np.testing.assert_array_equal(part[1][0], images[7])
        np.testing.assert_array_equal(whole[labels == 2].images[-3:], images[labels == 2][-3:])
        np.testing.assert_array_equal(whole[10:20].images[::3], images[10:20:3])
        np.testing.assert_array_equal(whole[10:20][[True] * 5 + [False] * 5].images[[4, -0]],
                                      images[[14, 10]])
        lazily = part.images
        assert (len(lazily), lazily.ndim, repr(lazily)) == (2, 4, "Rows((2, 1, 5, 4), uint8)")
        for wrong, error in (([2], ValueError), ([0.5], TypeError), ([True], ValueError)):
            with pytest.raises(error, match="index"):
                lazily[wrong]
        with pytest.raises(IndexError):
            lazily[2]
    with pytest.raises(TypeError, match="images"):
        data.Dataset(Disk(images.astype(complex)), labels)
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        data.Dataset(Disk(images[0]), labels)


def test_a_folder_that_is_read_while_training(tmp_path, rng):
    image = pytest.importorskip("PIL.Image")
    for number in range(24):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        size = (9, 8) if number < 12 else (10, 12)
        image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)).save(
            folder / f"{number}.png")
    in_memory = data.load_folder(tmp_path, image_size=8)
    on_disk = data.load_folder(tmp_path, image_size=8, in_memory=False)
    for one, other in zip(in_memory, on_disk):
        assert isinstance(other.images, Lazy) and other.images.shape == one.images.shape
        np.testing.assert_array_equal(other.images[:], one.images)
        assert other.classes == one.classes and (other.labels == one.labels).all()
    bytes_found = []
    for train, test in (in_memory, on_disk):
        model = cn.Sequential(cn.Flatten(), cn.Linear(192, 2, rng=0))
        history = trainer_of(model).fit(train, 2, 5, validation=test, progress=False,
                                        augment=RandomHorizontalFlip())
        bytes_found.append((bytes_of(model), history.val_loss, model.classes))
    assert bytes_found[0] == bytes_found[1]
    # A file that is damaged later is named, out of the thread that reads it.
    on_disk[0].images.images.files[0].write_text("no picture any more")
    for file in tmp_path.glob("*/*.png"):
        file.write_text("no picture any more")
    with pytest.raises(ValueError, match="png: cannot be read as a picture"):
        trainer_of(model).fit(on_disk[0], progress=False)


# --- generators --------------------------------------------------------------------------------

def batches_of(train, size=16):
    for start in range(0, len(train[1]), size):
        yield train[0][start:start + size], train[1][start:start + size]


class Loader:
    """As PyTorch's DataLoader: goes through anew each time, and has a length."""

    def __init__(self, train):
        self.train = train

    def __iter__(self):
        return batches_of(self.train)

    def __len__(self):
        return 5


def by_hand(batches, epochs, normalization, accumulate=1):
    model = network(channels=2)
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(model.parameters(), 0.02, 0.9)
    mean, std = (np.asarray(part)[:, None, None] for part in (normalization.mean,
                                                              normalization.std))
    for _ in range(epochs):
        for images, labels in batches():
            loss(model(((images - mean) / std).astype(np.float32)), labels)
            model.backward(loss.backward(), input_gradient=False)
            optimizer.step()
    return model


@pytest.mark.parametrize("make", [
    lambda train: (lambda: batches_of(train)), lambda train: (lambda epoch: batches_of(train)),
    Loader], ids=["function", "function of the epoch", "loader"])
def test_generators(make, train):
    normalization = cn.Normalization([100, 90], [50, 60])
    expected = by_hand(lambda: batches_of(train), 2, normalization)
    model = network(channels=2)
    model.normalization = normalization
    trainer = trainer_of(model)
    history = trainer.fit(make(train), 2, validation=make(train), progress=False)
    for one, other in zip(model.parameters(), expected.parameters()):
        np.testing.assert_allclose(one.data, other.data, atol=1e-5)
    scores = trainer.evaluate(train)
    assert history.val_loss[-1] == pytest.approx(scores["loss"], rel=1e-6)
    assert history.val_accuracy[-1] == scores["accuracy"]
    assert trainer.evaluate(make(train))["accuracy"] == scores["accuracy"]
    assert model.input_shape == (2, 8, 8)
    np.testing.assert_array_equal(model.predict(images for images, _ in batches_of(train)),
                                  model.predict(train[0]))


def test_a_generator_once_or_for_some_steps(train):
    history = trainer_of(network(channels=2)).fit(batches_of(train), progress=False)
    assert len(history) == 1

    def forever():
        while True:
            yield from batches_of(train)

    seen = []

    class Count(Callback):
        def on_epoch_end(self, trainer, state):
            seen.append((state.batch + 1, state.images, state.batches))

    history = trainer_of(network(channels=2)).fit(forever(), 3, steps_per_epoch=4,
                                                  callbacks=[Count()], progress=False)
    assert len(history) == 3 and seen == [(4, 64, 4), (4, 54, 4), (4, 54, 4)]
    with pytest.raises(ValueError, match="5 batches.*9.*generator"):
        trainer_of(network(channels=2)).fit(batches_of(train), steps_per_epoch=9, progress=False)


def test_a_generator_is_given_the_epoch(train):
    epochs = []

    def batches(epoch):
        epochs.append(epoch)
        return batches_of(train)

    trainer = trainer_of(network(channels=2))
    trainer.fit(batches, 2, progress=False)
    trainer.fit(batches, 1, progress=False)
    assert epochs == [0, 1, 2]


@pytest.mark.parametrize("make, options, error, message", [
    (lambda train: batches_of(train), dict(epochs=2), ValueError, "cannot be gone through 2 times"),
    (lambda train: (lambda: iter([])), {}, ValueError, "train gave 0 batches"),
    (lambda train: (lambda: iter([train[0]])), {}, TypeError, "pairs"),
    (lambda train: (lambda: iter([(*train, 1)])), {}, TypeError, "pairs"),
    (lambda train: (lambda: iter([(train[0], train[1][1:])])), {}, ValueError, "as many labels"),
    (lambda train: (lambda: iter([(train[0][:, 0], train[1])])), {}, ValueError, "4 dimensions"),
    (lambda train: (lambda: iter([(train[0][:, :1], train[1])])), {}, ValueError, "channel"),
    (lambda train: (lambda: iter([(train[0], train[1] + 1)])), {}, ValueError, "0 to 2"),
    (lambda train: (lambda: iter([(train[0], train[1] * 0.5)])), {}, TypeError, "labels"),
    (lambda train: (lambda: iter([(train[0].astype(complex), train[1])])), {}, TypeError,
     "complex"),
    (lambda train: (lambda: 3), {}, TypeError, "int"),
    (lambda train: (lambda: batches_of(train)), dict(steps_per_epoch=0), ValueError,
     "steps_per_epoch"),
    (lambda train: (lambda: batches_of(train)), dict(sampling="balanced"), ValueError, "sampling"),
    (lambda train: train, dict(steps_per_epoch=3), ValueError, "steps_per_epoch is for"),
    (lambda train: train, dict(validation=batches_of(train), epochs=2), ValueError,
     "validation cannot be gone through"),
    (lambda train: "images", {}, TypeError, "data set"),
    (lambda train: {"images": 3}, {}, TypeError, "data set"),
    (lambda train: 3, {}, TypeError, "int"),
    (lambda train: train, dict(accumulate=0), ValueError, "accumulate"),
    (lambda train: train, dict(accumulate=1.5), TypeError, "accumulate"),
    (lambda train: train, dict(augment=3), TypeError, "augment"),
    (lambda train: train, dict(augment=RandomShift), TypeError, "augment"),
    (lambda train: train, dict(augment=RandomCrop(9)), ValueError, "size"),
    (lambda train: train, dict(augment=RandomShift(1, fill=999)), ValueError, "fill"),
    (lambda train: train, dict(sampling="even"), ValueError, "sampling"),
    (lambda train: train, dict(sampling=[1, 2]), ValueError, "sampling"),
    (lambda train: train, dict(sampling=np.zeros(70)), ValueError, "sampling"),
    (lambda train: train, dict(sampling=-np.ones(70)), ValueError, "sampling"),
    (lambda train: train, dict(sampling=["a"] * 70), TypeError, "sampling")])
def test_wrong_data(make, options, error, message, train):
    model = network(channels=2)
    before = bytes_of(model)
    with pytest.raises(error, match=message):
        trainer_of(model).fit(make(train), **{"progress": False, **options})
    assert bytes_of(model) == before and no_thread_is_left()


def test_an_error_in_a_generator_comes_out_where_it_belongs(train):
    def batches():
        yield train
        raise OSError("the camera is gone")

    model, other = network(channels=2), network(channels=2)
    with pytest.raises(OSError, match="camera"):
        trainer_of(model).fit(batches, progress=False)
    trainer_of(other).fit(lambda: iter([train]), progress=False)
    assert bytes_of(model) == bytes_of(other)           # one step
    assert no_thread_is_left()


# --- ahead -------------------------------------------------------------------------------------

def test_ahead_runs_ahead_but_not_far():
    made = []

    def items():
        for i in range(10):
            made.append(i)
            yield i

    running = ahead(items(), depth=2)
    assert next(running) == 0
    deadline = time.time() + 5
    while len(made) < 4 and time.time() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert made == [0, 1, 2, 3]             # the one taken, two that wait, one in the hand
    assert list(running) == list(range(1, 10))
    assert no_thread_is_left()


def test_ahead_that_is_left_early_ends_its_thread():
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(threading.current_thread())

    running = ahead(items())
    next(running)
    running.close()
    assert no_thread_is_left()
    assert len(closed) == 1 and closed[0] is not threading.main_thread()


# --- augmentation while training ---------------------------------------------------------------

def test_augmentation_is_that_of_each_sample(train):
    """Against a loop that augments by hand, with the trainer's order and epochs."""
    augment = Compose([RandomShift(1), RandomHorizontalFlip()])
    model, other = network(channels=2), network(channels=2)
    trainer_of(model, seed=5).fit(train, 2, 16, augment=augment, progress=False)
    rng = np.random.Generator(np.random.PCG64(5))
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(other.parameters(), 0.02, 0.9)
    mean, std = (np.asarray(part)[:, None, None] for part in (model.normalization.mean,
                                                              model.normalization.std))
    for epoch in range(2):
        changed = augment(train[0], seed=5, epoch=epoch)
        order = rng.permutation(70)
        for start in range(0, 70, 16):
            batch = order[start:start + 16]
            loss(other(((changed[batch] - mean) / std).astype(np.float32)), train[1][batch])
            other.backward(loss.backward(), input_gradient=False)
            optimizer.step()
    for one, two in zip(model.parameters(), other.parameters()):
        np.testing.assert_allclose(one.data, two.data, atol=1e-5)


def test_augmentation_gives_the_same_bits_for_any_number_of_threads(train):
    augment = Compose([RandomShift(1), RandomHorizontalFlip()])
    results = []
    for threads in (1, 2, 2):
        with cn.num_threads(threads):
            results.append(fitted(train, augment=augment))
    assert results[0] == results[1] == results[2]
    assert results[0][0] != fitted(train, augment=augment, seed=6)[0] != fitted(train)[0]


def test_augmentation_that_changes_the_size(rng):
    images, labels = shapes(rng, 60, size=10)
    model = network()
    trainer_of(model).fit((images, labels), augment=RandomCrop(8), progress=False,
                          validation=(data.augment.CenterCrop(8)(images), labels))
    assert model.input_shape == (1, 8, 8)


def test_a_function_as_augmentation(train):
    calls = []

    def augment(images, indices=None, seed=0, epoch=0, samples=None):
        if indices is None:
            return images
        calls.append((epoch, samples.tolist()))
        return images[indices] // 2

    fitted(train, augment=augment)
    for epoch in (0, 1):
        seen = [samples for number, samples in calls if number == epoch]
        assert sorted(sum(seen, [])) == list(range(70))


# --- sampling ----------------------------------------------------------------------------------

class Seen(Callback):
    """What the augmentation was asked for, epoch by epoch."""

    def __init__(self):
        self.samples = {}

    def __call__(self, images, indices=None, seed=0, epoch=0, samples=None):
        if indices is None:
            return images
        self.samples.setdefault(epoch, []).extend(samples.tolist())
        return images[indices]


def test_balanced_sampling(rng):
    labels = np.array([0] * 50 + [1] * 9 + [2] * 4 + [0])
    images = rng.integers(0, 256, (64, 2, 8, 8)).astype(np.uint8)
    seen = Seen()
    fitted((images, labels), sampling="balanced", augment=seen)
    for samples in seen.samples.values():
        drawn = np.array(samples) % 2**32
        assert len(drawn) == 64 and len(set(samples)) == 64     # each augmented in a way of its own
        assert sorted(np.bincount(labels[drawn])) == [21, 21, 22]
        times = np.bincount(drawn, minlength=64)
        for label in (0, 1, 2):                                 # all before one comes again
            assert np.ptp(times[labels == label]) <= 1
        for image in range(64):
            assert sorted(np.array(samples)[drawn == image] >> 32) == list(range(times[image]))
    assert seen.samples[0] != seen.samples[1]


def test_weighted_sampling(rng):
    images, labels = shapes(rng, 3000, size=8, channels=2)
    weights = np.where(np.arange(3000) < 1500, 3.0, 1.0)
    weights[:100] = 0
    seen = Seen()
    fitted((images, labels), epochs=1, sampling=weights, augment=seen)
    drawn = np.array(seen.samples[0]) % 2**32
    assert len(drawn) == 3000 and drawn.min() >= 100
    assert 0.7 < (drawn < 1500).mean() < 0.775                  # 4200 / 5700
    assert fitted((images[:70], labels[:70]), sampling=np.ones(70)) == fitted(
        (images[:70], labels[:70]), sampling=list(range(5, 6)) * 70)


def test_class_weights():
    labels = [0, 0, 0, 0, 1, 1, 3, 3]
    np.testing.assert_allclose(data.class_weights(labels), [2 / 3, 4 / 3, 0, 4 / 3])
    assert data.class_weights(labels, 6).shape == (6,)
    assert data.class_weights(labels)[labels].mean() == pytest.approx(1)
    for wrong, options, error in (([], {}, ValueError), ([0.5], {}, TypeError),
                                  ([-1], {}, ValueError), ([3], {"classes": 2}, ValueError)):
        with pytest.raises(error, match="labels"):
            data.class_weights(wrong, **options)


# --- accumulation ------------------------------------------------------------------------------

@pytest.mark.parametrize("images", [70, 64, 66, 5])
def test_accumulated_gradients_are_those_of_the_large_batch(images, dtype, rng):
    train = shapes(rng, images, channels=2)
    large, small = network(dtype, channels=2), network(dtype, channels=2)
    one = trainer_of(large, weight_decay=1e-3).fit(train, 3, 32, progress=False)
    two = trainer_of(small, weight_decay=1e-3).fit(train, 3, 8, accumulate=4, progress=False)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    for a, b in zip(large.parameters(), small.parameters()):
        np.testing.assert_allclose(a.data, b.data, atol=tolerance)
    np.testing.assert_allclose(one.train_loss, two.train_loss, rtol=10 * tolerance)
    assert one.train_accuracy == two.train_accuracy


def test_accumulated_generators_and_regression(rng):
    images = rng.standard_normal((70, 1, 4, 4))
    targets = images.mean(axis=(2, 3)) * 3
    weights = []
    for size, accumulate in ((30, 1), (10, 3), (6, 5)):
        model = cn.Sequential(cn.Flatten(), cn.Linear(16, 1, dtype=np.float64, rng=0))
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.05), cn.MSELoss())
        trainer.fit(lambda: batches_of((images, targets), size), 2, accumulate=accumulate,
                    progress=False)
        weights.append(model[1].weight.data)
    np.testing.assert_allclose(weights[1], weights[0], atol=1e-14)
    np.testing.assert_allclose(weights[2], weights[0], atol=1e-14)


def test_accumulation_of_a_loss_that_weights_its_terms(rng):
    class Weighted(cn.CrossEntropyLoss):
        """The mean weighted by class, as PyTorch's with `weight`."""

        weights = np.array([1.0, 5.0, 0.25])

        def forward(self, prediction, target):
            super().forward(prediction, target)
            part = self.weights[target] / self.weights[target].sum()
            gradient = self._memory * len(target) * part[:, None]
            self._memory = gradient.astype(prediction.dtype)
            logits = prediction - prediction.max(axis=1, keepdims=True)
            log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            return float(-(part * log[np.arange(len(target)), target]).sum())

        def totals(self, value, target):
            weight = self.weights[target].sum()
            return value * weight, weight

    train, results = shapes(rng, 70, channels=2), []
    for size, accumulate in ((32, 1), (8, 4)):
        model = network(np.float64, channels=2)
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.02), Weighted())
        trainer.fit(train, 2, size, accumulate=accumulate, progress=False)
        results.append(np.concatenate([array.ravel() for array in model.state_dict().values()]))
        assert trainer.evaluate(train, 7)["loss"] == pytest.approx(trainer.evaluate(train)["loss"])
    np.testing.assert_allclose(results[1], results[0], atol=1e-13)


def test_steps_are_what_is_counted(train):
    trainer = trainer_of(network(channels=2))
    seen = []

    class Count(Callback):
        def on_batch_end(self, trainer, state):
            seen.append((state.batch, state.images))

    schedule = cn.CosineAnnealingLR(trainer.optimizer, T_max=3)
    trainer.fit(train, 1, 8, accumulate=3, schedule=schedule, callbacks=[Count()], progress=False)
    assert seen == [(0, 24), (1, 48), (2, 70)] and schedule.last_step == 3


# --- Ctrl-C ------------------------------------------------------------------------------------

@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
@pytest.mark.parametrize("when", ["before the step", "after the step", "in a generator"])
def test_ctrl_c_ends_with_a_whole_step(when, train):
    model, other = network(channels=2), network(channels=2)
    trainer = trainer_of(model)
    step, steps = trainer.optimizer.step, []

    def interrupted():
        if len(steps) == 6 and when == "before the step":
            os.kill(os.getpid(), signal.SIGINT)
        step()
        steps.append(1)
        if len(steps) == 7 and when == "after the step":
            os.kill(os.getpid(), signal.SIGINT)

    def batches():
        for batch in batches_of(train):
            if len(steps) == 5:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    trainer.optimizer.step = interrupted
    model.normalization = other.normalization = cn.Normalization([100, 100], [50, 50])
    history = trainer.fit(batches if when == "in a generator" else train, 5, 16, progress=False)
    assert history.interrupted and len(history) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    class Stop(Callback):
        def on_batch_end(self, trainer, state):
            state.stop = 5 * state.epoch + state.batch + 1 == len(steps)

    trainer_of(other).fit((lambda: batches_of(train)) if when == "in a generator" else train, 5,
                          16, callbacks=[Stop()], progress=False)
    assert bytes_of(model) == bytes_of(other)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_a_second_ctrl_c_does_not_wait(train):
    def batches():
        yield train
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        yield train

    history = trainer_of(network(channels=2)).fit(batches, 5, progress=False)
    assert history.interrupted and len(history) == 0
    assert no_thread_is_left()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_a_program_with_a_handler_of_its_own_keeps_it(train):
    caught = []
    before = signal.signal(signal.SIGINT, lambda *_: caught.append(1))
    try:
        class Interrupt(Callback):
            def on_batch_end(self, trainer, state):
                os.kill(os.getpid(), signal.SIGINT)

        history = trainer_of(network(channels=2)).fit(train, callbacks=[Interrupt()],
                                                      progress=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught and not history.interrupted and len(history) == 1


def test_training_in_another_thread(train):
    results = []
    worker = threading.Thread(target=lambda: results.append(fitted(train)))
    worker.start()
    worker.join()
    assert results == [fitted(train)]


# --- predicting --------------------------------------------------------------------------------

def test_predicting_what_comes_in_parts(train, tmp_path):
    model = network(channels=2)
    trainer_of(model).fit(train, progress=False)
    images = train[0]
    expected, classes = model.predict_proba(images, 9), model.predict(images)
    sources = {
        "memory-mapped": lambda: mapped(images, tmp_path), "h5py": lambda: Disk(images),
        "one by one": lambda: iter(images), "a function": lambda: lambda: iter(images),
        "batches": lambda: (images[i:i + 23] for i in range(0, 70, 23)),
        "both": lambda: iter([images[:5], images[5], images[6], images[7:7], images[7:]]),
        "a list": lambda: list(images)}
    for name, source in sources.items():
        for batch_size in (1, 9, 1000):
            found = model.predict_proba(source(), batch_size)
            assert found.shape == (70, 3) and found.dtype == np.float32, name
            np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)
            np.testing.assert_array_equal(model.predict(source(), batch_size), classes)
    for wrong, message in ((iter([]), "no image"), (iter([images[0, 0]]), r"\(C, H, W\)"),
                           (iter([images[0], images[1, :, :5]]), "one size"),
                           (iter([images[:, :1]]), "channel")):
        with pytest.raises(ValueError, match=message):
            model.predict(wrong)
    assert all(module._memory is None for module in model.modules()) and model.training


def test_predictions_are_held_once(rng):
    """The peak is the result and a batch, not a second result; the classes alone are less."""
    model = cn.Sequential(cn.Flatten(), cn.Linear(4, 500, rng=0))
    images = rng.integers(0, 256, (20000, 1, 2, 2)).astype(np.uint8)
    result = 20000 * 500 * 4

    assert peak_memory(model.predict_proba, images) < 1.2 * result
    assert peak_memory(model.predict, images) < 0.2 * result
    assert peak_memory(model.predict, lambda: iter(images)) < 0.2 * result
