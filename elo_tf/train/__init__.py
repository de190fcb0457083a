"""Training in full: strategies, updates, checkpoints, what is recorded."""
