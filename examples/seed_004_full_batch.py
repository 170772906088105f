"""One hundred digits, full-batch gradient descent, and a max-pool whose gradient went astray.

The seed, 004_f0dccf8f662f568a.txt, is 8 filters 3x3, ReLU, a 2x2 max-pool and 10 logits in NumPy
loops, trained on the first 100 images of MNIST. Its max-pool sends maximum * gradient back to all
four pixels of a window, where the gradient belongs to the one pixel that is the maximum. Here both
rules start from the seed's own first weights, in float64: its trace is that of its own rule to the
last digit, and the gradient that goes to the maximum leaves it after the first step.
"""

import numpy as np

import curves
import cycnn as cn
import loops
import program
from comparison import Row, table

PUBLISHED_20 = 15.00, 2.31577                   # accuracy in %, loss; of the first 20 images
PUBLISHED = [(17.00, 2.30219), (41.00, 2.10387), (58.00, 1.94948), (75.00, 1.79744),
             (80.00, 1.64556), (83.00, 1.48968)]
IMAGES, LR = 100, 0.1
EPOCHS = range(len(PUBLISHED))


class SpreadMaximum(cn.MaxPool2d):
    """A 2x2 max-pool with the seed's gradient: every pixel of a window gets maximum * gradient."""

    def forward(self, x):
        y = super().forward(x)
        self.remember((y, x.shape))
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        y, shape = self.recall()
        windows = (y * dy).repeat(2, axis=2).repeat(2, axis=3)
        dx = np.zeros(shape)
        dx[:, :, :windows.shape[2], :windows.shape[3]] = windows
        return dx if input_gradient else None


RULES = {"gradient to the maximum": cn.MaxPool2d, "maximum * gradient to all": SpreadMaximum}


def network(size, pool):
    """With the seed's weights: np.random.seed(1), its order, its layout (channels come last)."""
    random, (rows, columns) = np.random.RandomState(1), [(side - 2) // 2 for side in size]
    features = rows * columns * 8
    filters = random.randn(3, 3, 8) / 3
    weight = random.randn(features, 10) / max(features // 10, 1)            # 135 of 1,352
    model = cn.Sequential(cn.Conv2d(1, 8, 3, dtype=float), cn.ReLU(), pool, cn.Flatten(),
                          cn.Linear(features, 10, dtype=float))
    model.load_state_dict({
        "0.weight": filters.transpose(2, 0, 1)[:, np.newaxis], "0.bias": np.zeros(8),
        "4.weight": weight.reshape(rows, columns, 8, 10).transpose(3, 2, 0, 1).reshape(10, -1),
        "4.bias": np.zeros(10)})
    return model


def trainer(images, labels, pool):
    """A function that takes one step; it returns the accuracy in % and the loss before it."""
    model, loss = network(images.shape[2:], pool), cn.CrossEntropyLoss()
    optimizer = cn.SGD(model.parameters(), LR)

    def step(images=images):
        logits, truth = model.forward(images), labels[:len(images)]
        before = 100 * np.mean(logits.argmax(axis=1) == truth), loss.forward(logits, truth)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        return before
    return step


def work(options):
    data, _ = program.load("mnist", options, smallest=4)
    images, labels = data.images[:IMAGES] / 255 - 0.5, data.labels[:IMAGES]
    print(f"{len(images)} images of {program.size_of(data)}, threads: {cn.get_num_threads()}")
    first = trainer(images[:20], labels[:20], cn.MaxPool2d(2))()
    traces = {"published": PUBLISHED}
    for rule, pool in RULES.items():
        step = trainer(images, labels, pool(2))
        traces[rule] = [step() for _ in program.progress(EPOCHS, options, rule)]

    here = loops.images_a_second(trainer(images, labels, cn.MaxPool2d(2)), images)
    arrays = [*network(images.shape[2:], cn.MaxPool2d(2)).state_dict().values()]
    seed = loops.images_a_second(
        lambda few: loops.train_step(few, labels[:len(few)], arrays, LR), images[:5])
    program.save_picture(curves.draw(
        {text: {name: [point[part] for point in trace] for name, trace in traces.items()}
         for part, text in ((1, "loss"), (0, "accuracy (%)"))}, EPOCHS), options)
    table([Row("epoch 0, first 20 images", show(PUBLISHED_20), show(first)),
           *(Row(f"epoch {epoch}, {rule}", show(PUBLISHED[epoch]), show(traces[rule][epoch]))
             for rule in RULES for epoch in EPOCHS),
           *(Row(f"furthest from a published loss, {rule}", "0",
                 f"{max(abs(ours[1] - his[1]) for ours, his in zip(traces[rule], PUBLISHED)):.5f}")
             for rule in RULES),
           Row("steps with the gradient to the maximum", "", "", here, seed)])


def show(point):
    return f"{point[0]:.2f} %, loss {point[1]:.5f}"


if __name__ == "__main__":
    program.main(__doc__, work)
