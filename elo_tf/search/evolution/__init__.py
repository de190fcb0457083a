"""Searchers over the weights λ of Eq. 1: they propose vectors and are told their fitness (Sec. 3.2.3).

Each module of this package that defines a `Strategy` is registered by existing; see `base`.
"""
