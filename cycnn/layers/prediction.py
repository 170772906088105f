"""A network used as a whole: images in, batch by batch, and probabilities out."""

import contextlib

import numpy as np

from .. import batches, functional


def dtype_of(module):
    """The floating-point type of a network's parameters, float32 if it has none."""
    for parameter in module.parameters():
        return parameter.data.dtype
    return np.dtype(np.float32)


@contextlib.contextmanager
def evaluation_mode(module):
    """Evaluation mode within a block; afterwards every module has the mode that it had."""
    before = [(inner, inner.training) for inner in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for inner, training in before:
            inner.training = training


def probabilities(module, images, batch_size, views=None):
    """Yield the rows of `Module.predict_proba` batch by batch: at least one batch, of no rows if
    there are no images."""
    views = batches.check_views(views)
    dtype = dtype_of(module)
    with evaluation_mode(module):
        for part in batches.of_any(images, batch_size):
            rows = [check_classes(module.forward(x))
                    for x in batches.seen(part, views, module.normalization, dtype)]
            if not module.gives_probabilities():
                rows = [functional.softmax(outputs, axis=1) for outputs in rows]
            yield rows[0] if len(rows) == 1 else np.mean(rows, axis=0)


def averaged_logits(module, images, views, dtype):
    """What has the softmax that `probabilities` gives for one batch of images.

    A loss takes it like the network's outputs. Of a network that gives probabilities: their mean.
    """
    outputs = [check_classes(module.forward(x))
               for x in batches.seen(images, views, module.normalization, dtype)]
    if len(outputs) == 1:
        return outputs[0]
    outputs = np.stack(outputs)
    if module.gives_probabilities():
        return outputs.mean(axis=0)
    # The logarithm of the mean of exponentials, the largest taken out, so that none overflows.
    outputs -= _log_sum_exp(outputs, 2)
    return _log_sum_exp(outputs, 0)[0] - outputs.dtype.type(np.log(len(outputs)))


def _log_sum_exp(x, axis):
    largest = x.max(axis=axis, keepdims=True)
    return largest + np.log(np.exp(x - largest).sum(axis=axis, keepdims=True))


def check_classes(outputs):
    """`outputs` if they are a row of numbers an image."""
    if outputs.ndim != 2:
        raise ValueError("predicting classes needs a network whose output is "
                         f"(N, classes), got {outputs.shape}")
    return outputs


def collected(parts, images):
    """The rows of all `parts` in one array, which is made once if `images` has a length."""
    rows, done = None, 0
    for part in parts:
        if rows is None:
            known = hasattr(images, "__len__") and not batches.comes_in_batches(images)
            rows = np.empty((len(images) if known else len(part), *part.shape[1:]), part.dtype)
        end = done + len(part)
        if end > len(rows):
            # The system extends the memory where it is, as a rule: not a second array beside it.
            rows.resize((end + end // 2, *rows.shape[1:]), refcheck=False)
        rows[done:end] = part
        done = end
    if done < len(rows):
        rows.resize((done, *rows.shape[1:]), refcheck=False)
    return rows
