"""The RGB tower for other programs: a reusable SavedModel for hub.KerasLayer, hub.load, TFSMLayer and TF Serving."""
