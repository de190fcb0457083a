"""How good is a representation? Three protocols, official splits, label budgets and baselines (Sec. 4)."""
