"""k-means and the paper's equations: tensors in, tensors out."""
