"""tensorflow-addons, imported in silence: the package announces its end of life at every import."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow_addons as tfa

__all__ = ["tfa"]
