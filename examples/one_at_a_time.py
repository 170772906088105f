"""Training as several of the seeds do it: a step for each image, in the order of the file."""

import time

import numpy as np

import cycnn as cn
import program


class EveryMaximum(cn.MaxPool2d):
    """A 2x2 max-pool with the seeds' gradient: each pixel that equals the maximum gets it."""

    def forward(self, x):
        y = super().forward(x)
        self.remember((x, y))
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        x, y = self.recall()
        (rows, columns), dx = dy.shape[2:], np.zeros_like(x)
        for i, j in np.ndindex(2, 2):
            pixels = slice(None), slice(None), slice(i, 2 * rows, 2), slice(j, 2 * columns, 2)
            dx[pixels] = dy * (x[pixels] == y)
        return dx


def epoch(model, data, lr, options, text):
    """Take a step of gradient descent for each image; pixels enter from -0.5 to 0.5.

    Returns
    -------
    losses : numpy.ndarray, (N,)
        Of each image, before its own step.
    right : numpy.ndarray of bool, (N,)
    speed : float
        Images a second.
    """
    images, labels = data.images / np.float32(255) - np.float32(0.5), data.labels
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(model.parameters(), lr)
    losses, right = np.zeros(len(images)), np.zeros(len(images), bool)
    started = time.perf_counter()
    for i in program.progress(range(len(images)), options, text):
        logits, label = model.forward(images[i:i + 1]), labels[i:i + 1]
        losses[i] = loss.forward(logits, label)
        right[i] = logits.argmax() == label[0]
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    return losses, right, len(images) / (time.perf_counter() - started)
