"""``cycnn evaluate``: metrics, the confusion matrix, and the worst mistakes."""

from pathlib import Path

import numpy as np

import cycnn as cn

from .. import data
from .._extras import require
from .shared import apart, class_names, loaded, stem, writable


def run(args):
    """Test a model file on the images held out, or on all."""
    picture = args.picture or f"{Path(args.model).stem}-evaluation.png"
    if args.plot:
        canvas = require("matplotlib.backend_bases", extra="plot",
                         purpose="the picture (or --no-plot)").FigureCanvasBase
        kinds = set(canvas.get_supported_filetypes()) - {"pgf"}     # which needs LaTeX
        if writable(picture).suffix[1:].lower() not in kinds:
            raise ValueError(f"{picture}: this is no name for a picture, which ends in one of "
                             f".{', .'.join(sorted(kinds))}")
        apart({"the model": args.model, "--data": args.data, "the picture": picture})
    model = loaded(args.model)
    channels, *size = model.input_shape
    pictures = args.data not in data.NAMES and Path(args.data).is_dir()
    parts = data.load(args.data, args.data_dir, **(
        {"image_size": size, "channels": channels if channels in (1, 3) else None}
        if pictures else {}))
    parts = [_relabelled(part, model) for part in (parts if args.all else parts[1:]) if len(part)]
    if not parts:
        raise ValueError(f"{args.data}: no images are held out; --all takes all of them")
    mistakes, probabilities = [], []
    for part in parts:
        if part.images.shape[1:] != model.input_shape:
            raise ValueError(f"{args.model} takes images of {model.input_shape} (C, H, W), "
                             f"{args.data} has {part.images.shape[1:]}")
        probabilities.append(model.predict_proba(part.images))
        if part.labels.max() >= probabilities[-1].shape[1]:
            raise ValueError(f"{args.model} knows {probabilities[-1].shape[1]} classes, "
                             f"{args.data} has {len(part.classes)}")
        wrong = probabilities[-1].argmax(axis=1) != part.labels
        mistakes.append((part.images[wrong], probabilities[-1][wrong], part.labels[wrong]))
    probabilities = np.concatenate(probabilities)
    labels = np.concatenate([part.labels for part in parts])
    names = class_names(model, probabilities.shape[1])
    matrix = cn.metrics.confusion_matrix(probabilities, labels)
    result = _print_metrics(matrix, probabilities, labels, names, "" if args.all else "held-out ")
    if args.plot:
        cn.plot.plot_evaluation(matrix, *map(np.concatenate, zip(*mistakes)), names, picture,
                                title=f"{stem(args.data)}: {result}")
        print(f"\npicture:  {picture}")


def _print_metrics(matrix, probabilities, labels, names, kind):
    """Print them, and return the first of them in words."""
    total, right = len(labels), int(np.trace(matrix))
    truth = probabilities[np.arange(total), labels]
    loss = -float(np.log(np.maximum(truth, np.finfo(truth.dtype).tiny)).mean())
    result = f"{100 * right / total:.2f} % of {total:,} {kind}images right"
    print(f"accuracy: {result} ({total - right:,} wrong), loss {loss:.4f}")
    k = 5 if len(names) > 5 else 2
    if len(names) > 2:
        print(f"top {k}:    {100 * cn.metrics.top_k_accuracy(probabilities, labels, k):.2f} % have "
              f"the right class among the {k} most probable")
    print(f"\n{cn.metrics.classification_report(matrix, names)}")
    return result


def _relabelled(part, model):
    """The data set with the model's numbers for its classes, which go by their names."""
    if model.classes is None or part.classes == model.classes:
        return part
    unknown = [name for name in part.classes if name not in model.classes]
    if unknown:
        raise ValueError(f"the model does not know the class {unknown[0]!r} of this data set; "
                         f"its classes are {', '.join(model.classes)}")
    numbers = np.array([model.classes.index(name) for name in part.classes])
    return data.Dataset(part.images, numbers[part.labels], model.classes)
