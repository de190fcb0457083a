"""The RGB tower as others use it: a reusable SavedModel for hub.KerasLayer, hub.load, TFSMLayer and TF Serving."""
