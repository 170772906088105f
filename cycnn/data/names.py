"""How many classes there are, and what they are called."""

# With fewer images than classes a number that is larger is a mistake, and not one class of many.
_MOST_UNNAMED = 100_000


def listed(classes):
    """`classes`, the names that a caller gave, as a list."""
    try:
        return list(classes)
    except TypeError:
        raise TypeError("classes must be names, such as ['cat', 'dog'], got "
                        f"{classes!r}") from None


def count(*labels):
    """How many classes arrays of labels have that nobody gave names: up to the largest.

    One stray label would have a network and names made for it that no memory holds.
    """
    largest = max((int(part.max()) for part in labels if part.size), default=-1)
    most = max(_MOST_UNNAMED, sum(part.size for part in labels))
    if largest >= most:
        raise ValueError(f"labels must be below {most} where classes are not given, got {largest}")
    return largest + 1
