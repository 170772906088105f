"""The library to compare with: PyTorch, eager, in both memory formats; the faster one counts."""

import numpy as np

import cycnn as cn

try:
    import torch
except ImportError:
    torch = None

if torch is not None:
    FORMATS = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}
else:
    FORMATS = {}


def set_num_threads(number):
    """The same number of threads for both sides."""
    cn.set_num_threads(number)
    if torch is not None:
        torch.set_num_threads(number)


def with_threads(cases, threads):
    """Yield (case, number) for each case and number of threads, which both sides then have."""
    for case in cases:
        for number in threads:
            set_num_threads(number)
            yield case, number


def versions():
    """{library: version}"""
    found = {"cycnn": cn.__version__, "numpy": np.__version__}
    return found if torch is None else {**found, "torch": torch.__version__}


def tensor(array, memory_format):
    return torch.from_numpy(np.ascontiguousarray(array)).contiguous(memory_format=memory_format)


def conv2d(x, weight, dy, stride, padding, groups, memory_format):
    """{pass: a function that does it once}, for one convolution."""
    x, weight, dy = (tensor(array, memory_format) for array in (x, weight, dy))

    def forward():
        with torch.no_grad():
            torch.conv2d(x, weight, None, stride, padding, 1, groups)

    def gradient(of_input, of_weight):
        return lambda: torch.ops.aten.convolution_backward(
            dy, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups,
            [of_input, of_weight, False])

    return {"forward": forward, "input gradient": gradient(True, False),
            "weight gradient": gradient(False, True)}


def max_pool2d(x, dy, size, memory_format):
    """{pass: a function that does it once}, for max-pooling in windows of `size`."""
    x, dy = tensor(x, memory_format), tensor(dy, memory_format)
    _, indices = torch.ops.aten.max_pool2d_with_indices(x, [size] * 2, [size] * 2)

    def forward():
        return torch.ops.aten.max_pool2d_with_indices(x, [size] * 2, [size] * 2)[0]

    def backward():
        return torch.ops.aten.max_pool2d_with_indices_backward(
            dy, x, [size] * 2, [size] * 2, [0, 0], [1, 1], False, indices)

    return {"forward": forward, "backward": backward}


def inference(model, x, memory_format):
    """A function that runs `model` (a torch.nn.Module) on the batch once and returns the logits."""
    model = model.eval().to(memory_format=memory_format)
    x = tensor(x, memory_format)

    def outputs():
        with torch.inference_mode():
            return model(x)

    return outputs


def training_step(model, x, labels, lr, memory_format):
    """A function that trains `model` (a torch.nn.Module) on the batch once and returns the loss."""
    model = model.to(memory_format=memory_format)
    x, labels = tensor(x, memory_format), torch.from_numpy(labels)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    loss = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        value = loss(model(x), labels)
        value.backward()
        optimizer.step()
        return value

    return step


def optimizers(name, options, lr, weights, grads):
    """{"torch" or "fused": (a function that takes a step, one that returns the weights)}."""
    if torch is None:
        return {}

    def side(**how):
        parameters = [torch.nn.Parameter(torch.tensor(weight)) for weight in weights]
        for parameter, grad in zip(parameters, grads):
            parameter.grad = torch.tensor(grad)
        optimizer = getattr(torch.optim, name)(parameters, lr=lr, **options, **how)
        return optimizer.step, lambda: [parameter.detach().numpy() for parameter in parameters]

    # There is no fused RMSprop.
    return {"torch": side()} if name == "RMSprop" else {"torch": side(), "fused": side(fused=True)}
