"""Slow, obvious NumPy: what the drivers must agree with."""
