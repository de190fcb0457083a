"""Searchers over the weights λ of Eq. 1: they ask for vectors and are told numbers (Sec. 3.2.3).

Each module of this package that defines a `Strategy` is registered by existing; see `base`.
"""
