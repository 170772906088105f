"""Two 5x5 convolutions and two dense layers on all of MNIST: what was "far too long to run".

The seed, 002_e920f99732fb7890.txt, has 16 and 32 filters with padding 2, 25,088 -> 100 -> 10 dense
weights, ReLU behind the first and the third layer, and an L2 penalty on the dense weights alone,
which its loss has and its gradient forgets. Here the gradient has it too (as the optimizer's
weight decay). From the seed's weight_scale of 1e-4 nothing is learned, as the table shows: ours
begin as PyTorch's do. Minibatches of normalised images, momentum, and a learning rate of one cycle
were chosen on a sixth of the training images, and so was the penalty: the seed's 0.05 held the
network at 98.5 % of these, for three epochs and for five (--penalty tries another).
"""

import numpy as np

import cycnn as cn
import loops
import program
from comparison import Row, table

EPOCHS, BATCH_SIZE, LR, MOMENTUM, PENALTY = 3, 64, 0.05, 0.9, 0.005
WEIGHT_SCALE, TRIAL = 1e-4, 200                 # the seed's; minibatches that it is tried for


def network(train, scale=None):
    """The seed's network; with `scale` its first weights too: normal, and biases of 0."""
    height, width = train.images.shape[2:]
    cn.manual_seed(0)
    model = cn.Sequential(
        cn.Conv2d(1, 16, 5, padding=2), cn.ReLU(), cn.Conv2d(16, 32, 5, padding=2),
        cn.Flatten(), cn.Linear(32 * height * width, 100), cn.ReLU(), cn.Linear(100, 10))
    if scale:
        model.load_state_dict({
            name: cn.init.normal(array.shape, scale) if array.ndim > 1 else np.zeros(array.shape)
            for name, array in model.state_dict().items()})
    return model


def fit(model, train, epochs, options):
    dense = [layer.weight for layer in model.modules() if isinstance(layer, cn.Linear)]
    others = [parameter for parameter in model.parameters()
              if not any(parameter is weight for weight in dense)]
    optimizer = cn.SGD([{"params": others}, {"params": dense, "weight_decay": options.penalty}],
                       LR, momentum=MOMENTUM)
    schedule = cn.OneCycleLR(optimizer, LR, epochs * -(-len(train) // BATCH_SIZE), pct_start=0.2,
                             cycle_momentum=False)
    history = cn.Trainer(model, optimizer, cn.CrossEntropyLoss()).fit(
        train, epochs, BATCH_SIZE, schedule=schedule, progress=options.progress)
    if history.interrupted:
        raise KeyboardInterrupt
    return history


def work(options):
    train, test = program.load("mnist", options)
    print(f"{len(train):,} images of {program.size_of(train)} to train on, {len(test):,} test "
          f"images, threads: {cn.get_num_threads()}")
    few = train[:TRIAL * BATCH_SIZE]
    trial = fit(network(few, WEIGHT_SCALE), few, 1, options).last()
    model = network(train)
    arrays = [parameter.data.astype(float) for parameter in model.parameters()]
    slow = loops.images_a_second(lambda images: loops.deep_train_step(
        images, train.labels[:len(images)], arrays, LR, options.penalty), train.images[:2] / 255)
    history = fit(model, train, EPOCHS, options)
    seconds = sum(history.seconds) / EPOCHS
    probabilities = model.predict_proba(test.images)

    samples = np.random.default_rng(0).integers(len(train), size=20)
    program.save_picture(cn.plot.plot_images(train.images[samples], train.labels[samples]),
                         options, "_samples")
    program.save_picture(cn.plot.plot_training(history, test.images, probabilities, test.labels),
                         options)
    table([Row(f"{len(few):,} images from weights of scale {WEIGHT_SCALE}: loss, accuracy", "none",
               f"{trial['train_loss']:.4f} (ln 10 is {np.log(10):.4f}), "
               f"{trial['train_accuracy']:.2%}"),
           Row("seconds an epoch (of the loops, scaled from a few images)", "far too long",
               f"{seconds:.1f} ({len(train) / slow:,.0f})"),
           Row(f"test accuracy after {EPOCHS} epochs", "none",
               f"{np.mean(probabilities.argmax(axis=1) == test.labels):.2%}",
               len(train) / seconds, slow)])


if __name__ == "__main__":
    program.main(__doc__, work, lambda parser: parser.add_argument(
        "--penalty", type=float, default=PENALTY, metavar="X",
        help="of the dense weights' squares / 2 (default: %(default)s)"))
