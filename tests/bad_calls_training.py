"""Calls of what training is made of that cannot be right: updates, batches, augmentation."""

from functools import partial

import numpy as np

import cycnn.functional as F
from bad_calls import HUGE, refused

# --- updates and batches --------------------------------------------------------------------

STEP = dict(lr=0.1, momentum=0.9, weight_decay=0.0, nesterov=False, first=True)
LONG = np.ones(10, np.float32)
READ_ONLY = np.ones(10, np.float32)
READ_ONLY.flags.writeable = False
refused("sgd_step, grad too short", "grad", F.sgd_step, LONG, LONG[:9], LONG.copy(), **STEP)
refused("sgd_step, grad of another shape", "grad", F.sgd_step, LONG, LONG[None], LONG.copy(),
        **STEP)
refused("sgd_step, grad of another type", "grad", F.sgd_step, LONG, LONG.astype("f8"),
        LONG.copy(), **STEP, error=TypeError)
refused("sgd_step, velocity too short", "velocity", F.sgd_step, LONG, LONG, LONG[:9].copy(),
        **STEP)
refused("sgd_step, weight read-only", "weight", F.sgd_step, READ_ONLY, LONG, LONG.copy(), **STEP)
refused("sgd_step, velocity read-only", "velocity", F.sgd_step, LONG.copy(), LONG, READ_ONLY,
        **STEP)
refused("sgd_step, weight of integers", "weight", F.sgd_step, np.ones(10, int), LONG, LONG, **STEP,
        error=TypeError)
for option in ("nesterov", "first"):
    refused(f"sgd_step, {option}='no'", option, F.sgd_step, LONG.copy(), LONG, LONG.copy(),
            **{**STEP, option: "no"}, error=TypeError)

ADAM = partial(F.adam_step, step=1)
for function, kept in ((ADAM, ("exp_avg", "exp_avg_sq")), (F.rmsprop_step, ("square_avg",))):
    def averages(**others):
        return {**{name: LONG.copy() for name in kept}, **others}

    name = kept[0]
    refused(f"{name}, grad too short", "grad", function, LONG.copy(), LONG[:9], **averages())
    refused(f"{name}, grad of another type", "grad", function, LONG.copy(), LONG.astype("f8"),
            error=TypeError, **averages())
    refused(f"{name}, weight read-only", "weight", function, READ_ONLY, LONG, **averages())
    refused(f"{name}, weight with gaps", "weight", function, np.ones(20, "f4")[::2], LONG,
            **averages())
    for average in kept:
        refused(f"{average} too short", average, function, LONG.copy(), LONG,
                **averages(**{average: LONG[:9].copy()}))
        refused(f"{average} read-only", average, function, LONG.copy(), LONG,
                **averages(**{average: READ_ONLY}))
        refused(f"{average} of another type", average, function, LONG.copy(), LONG,
                error=TypeError, **averages(**{average: np.zeros(10)}))
        refused(f"no {average}", average, function, LONG.copy(), LONG, error=TypeError,
                **averages(**{average: None}))
    for option in ("lr", "eps", "weight_decay"):
        for value in (-1, np.nan, np.inf):
            refused(f"{name}, {option}={value}", option, function, LONG.copy(), LONG,
                    **averages(**{option: value}))
for value in ((0.9, 1), (-0.1, 0.9), (0.9,), 0.9, (0.9, np.nan)):
    refused(f"betas={value}", "betas", ADAM, LONG.copy(), LONG, exp_avg=LONG.copy(),
            exp_avg_sq=LONG.copy(), betas=value)
refused("adam_step, decoupled='no'", "decoupled", ADAM, LONG.copy(), LONG, LONG.copy(), LONG.copy(),
        decoupled="no", error=TypeError)
for value in (0, -1):
    refused(f"adam_step, step={value}", "step", F.adam_step, LONG.copy(), LONG, LONG.copy(),
            LONG.copy(), value)
refused("momentum without a buffer", "momentum_buffer", F.rmsprop_step, LONG.copy(), LONG,
        LONG.copy(), momentum=0.9, error=TypeError)

IMAGES = np.zeros((5, 3, 4, 4), np.uint8)
THREE = np.zeros(3), np.ones(3)
for value in (5, -1, 2**62, -2**63):
    refused(f"gather_batch, index {value}", "indices", F.gather_batch, IMAGES,
            np.array([0, value, 1]), *THREE, np.float32)
refused("gather_batch, float indices", "indices", F.gather_batch, IMAGES, np.array([0.0]), *THREE,
        np.float32, error=TypeError)
refused("gather_batch, too few means", "mean", F.gather_batch, IMAGES, np.array([0]), np.zeros(2),
        np.ones(3), np.float32)
refused("gather_batch, std of 0", "std", F.gather_batch, IMAGES, np.array([0]), np.zeros(3),
        np.zeros(3), np.float32)
refused("gather_batch, no images", "images", F.gather_batch, IMAGES[0], np.array([0]), *THREE,
        np.float32)
refused("gather_batch, object images", "images", F.gather_batch, IMAGES.astype(object),
        np.array([0]), *THREE, np.float32, error=TypeError)
refused("gather_batch, integers out", "dtype", F.gather_batch, IMAGES, np.array([0]), *THREE,
        np.int32, error=(TypeError, ValueError))

# --- augmentation ----------------------------------------------------------------------------

LINE = np.zeros((2, 4), int)
for value in (5, -1, 2**62, -2**63):
    refused(f"remap, index {value}", "indices", F.remap, IMAGES, [0, value], LINE, LINE)
for value in (4, 2**31, 2**62):
    for name, arguments in (("rows", (LINE + value, LINE)), ("columns", (LINE, LINE + value))):
        refused(f"remap, {name} of {value}", name, F.remap, IMAGES, [0, 1], *arguments)
refused("remap, rows of fewer images", "rows", F.remap, IMAGES, [0, 1], LINE[:1], LINE)
refused("remap, columns of no axis", "columns", F.remap, IMAGES, [0, 1], LINE, LINE[0])
refused("remap, float rows", "rows", F.remap, IMAGES, [0, 1], LINE * 0.5, LINE, error=TypeError)
refused("remap, no images", "images", F.remap, IMAGES[0], [0], LINE[:1], LINE[:1])
refused("remap, complex images", "images", F.remap, IMAGES.astype(complex), [0], LINE[:1],
        LINE[:1], error=TypeError)
MATRICES = np.zeros((5, 6))
for fill in (-1, 256, np.nan, [1, 2], np.zeros((3, 1))):
    refused(f"remap, fill={fill}", "fill", F.remap, IMAGES, [0, 1], LINE, LINE, fill)
    refused(f"warp_affine, fill={fill}", "fill", F.warp_affine, IMAGES, MATRICES, fill=fill)
    refused(f"erase, value={fill}", "value", F.erase, IMAGES, np.zeros((5, 4), int), fill)
refused("warp_affine, fill of floats", "fill", F.warp_affine, IMAGES / 1, MATRICES, fill=np.inf)
refused("warp_affine, a word as fill", "fill", F.warp_affine, IMAGES, MATRICES, fill="black",
        error=TypeError)
for matrices in (MATRICES[:4], MATRICES[:, :4], MATRICES[0], MATRICES + np.nan):
    refused(f"warp_affine, matrices {matrices.shape}, {matrices.flat[0]}", "matrices",
            F.warp_affine, IMAGES, matrices)
refused("warp_affine, interpolation", "interpolation", F.warp_affine, IMAGES, MATRICES, "cubic")
for box in ((0, 0, 5, 1), (0, 0, 1, 5), (4, 0, 1, 0), (-1, 0, 1, 1), (0, 0, -1, 1), (5, 0, 0, 0),
            (2**62, 0, 2**62, 1), (1, 0, 2**63 - 1, 1)):
    refused(f"erase, {box}", "boxes", F.erase, IMAGES, [box] * 5)
refused("erase, fewer boxes", "boxes", F.erase, IMAGES, np.zeros((4, 4), int))

for size in ((2, 4, 6, 5), (3, 4, 6, 6), (2, 4, 36), (2, -4, -6, 6), (2, 4, HUGE, 6), ()):
    refused(f"flatten_backward, input_size={size}", "input_size|dy", F.flatten_backward,
            np.ones((2, 144), "f4"), size)
