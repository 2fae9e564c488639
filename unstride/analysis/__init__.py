"""Analyses operators: the cells that an output pixel depends on, its Jacobian, its cost."""
