"""Outer objectives: what learned λ are to lower, differentiable in the RGB embeddings of held-out clips."""
