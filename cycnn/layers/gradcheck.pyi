from .._types import Int, Number, Shape
from . import Module

class GradcheckError(AssertionError, RuntimeError): ...

def gradcheck(layer: Module, input_shape: Shape, eps: Number = 1e-6, atol: Number = 1e-6,
              rtol: Number = 1e-5, samples: Int = 200, seed: Int = 0,
              raise_exception: bool = True) -> bool: ...
