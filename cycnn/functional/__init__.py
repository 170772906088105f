"""NumPy arrays in, NumPy arrays out: every operation and its gradients, every argument checked."""

from . import _embedding
from ._algorithm import convolution_algorithm
from .activation import (elu, elu_backward, gelu, gelu_backward, leaky_relu, leaky_relu_backward,
                         relu, relu_backward, sigmoid, sigmoid_backward, silu, silu_backward, tanh,
                         tanh_backward)
from .adaptive import adam_step, rmsprop_step
from .augment import erase, erase_noise, remap, warp_affine
from .avg_pool import (avg_pool2d, avg_pool2d_backward, global_avg_pool2d,
                       global_avg_pool2d_backward)
from .combine import add, concat, concat_backward
from .conv import conv2d, conv2d_backward
from .conv_transpose import conv_transpose2d, conv_transpose2d_backward
from .dropout import dropout, dropout2d, dropout2d_backward, dropout_backward
from .elementwise_loss import (binary_cross_entropy_with_logits,
                               binary_cross_entropy_with_logits_backward, huber_loss,
                               huber_loss_backward, l1_loss, l1_loss_backward, mse_loss,
                               mse_loss_backward)
from .layout import flatten, flatten_backward, gather_batch
from .linear import linear, linear_backward
from .loss import (cross_entropy, cross_entropy_backward, cross_entropy_with_gradient, softmax,
                   softmax_backward)
from .norm import batch_norm, batch_norm_backward, group_norm, group_norm_backward
from .pad import zero_pad2d, zero_pad2d_backward
from .pool import max_pool2d, max_pool2d_backward
from .resample import (adaptive_avg_pool2d, adaptive_avg_pool2d_backward, interpolate,
                       interpolate_backward)
from .update import sgd_step
