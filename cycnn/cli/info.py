"""``cycnn info``: this installation, or what is in a model file."""

import cycnn as cn


def run(args):
    """Print the configuration, or a model's table of layers and what else its file holds."""
    if args.model is None:
        cn.show_config()
        return
    model = cn.load(args.model)
    if model.input_shape is None:
        print(model)
    else:
        model.summary()
    print()
    if model.classes:
        print(f"classes: {', '.join(model.classes)}")
    if model.normalization:
        mean, std = (", ".join(f"{value:.4g}" for value in values)
                     for values in (model.normalization.mean, model.normalization.std))
        print(f"images are normalised by mean {mean} and std {std}")
