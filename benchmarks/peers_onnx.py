"""The other library to compare inference with: ONNX Runtime on the CPU.

The model is written with `onnx`'s own helpers from the weights that cycnn uses, so that no third
library's export stands in between.
"""

import numpy as np

from . import nets

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    missing = None
except ImportError as error:
    missing = str(error)

# Old enough for every version of ONNX Runtime that runs on the Pythons that cycnn supports.
OPSET, IR_VERSION = 17, 8


def versions():
    """{library: version}"""
    return {} if missing else {"onnxruntime": onnxruntime.__version__}


def export(name, state):
    """The network `name` as an ONNX model.

    Parameters
    ----------
    name : str
        One of `nets.NETS`.
    state : dict of str to ndarray
        The `state_dict` of `nets.build(name)`.
    """
    nodes, at, flat, value = [], 0, False, "x"

    def add(operator, inputs=(), **attributes):
        nonlocal value, at
        nodes.append(helper.make_node(operator, [value, *inputs], [f"y{at}"], **attributes))
        value, at = f"y{at}", at + 1

    for kind, numbers, _, _ in nets.walk(name):
        if kind == "linear" and not flat:
            add("Flatten")
            flat = True
        weights = f"{at}.weight", f"{at}.bias"      # the layer's place, as in `nets.build`
        if kind == "conv":
            add("Conv", weights, pads=[numbers[2]] * 4)
        elif kind == "pool":
            add("MaxPool", kernel_shape=numbers * 2, strides=numbers * 2)
        elif kind == "relu":
            add("Relu")
        else:
            add("Gemm", weights, transB=1)
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, name, [tensor("x", TensorProto.FLOAT, ["batch", *nets.SHAPE])],
        [tensor(value, TensorProto.FLOAT, ["batch", nets.CLASSES])],
        [numpy_helper.from_array(np.ascontiguousarray(array), key)
         for key, array in state.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def inference(name, state, x, threads):
    """A function that runs the network on `x` once and returns the logits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(export(name, state).SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0]
