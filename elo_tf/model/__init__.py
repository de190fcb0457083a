"""All towers and terms as one Keras model, and how it learns."""
