"""The evolution of the loss (Sec. 3.2)."""
