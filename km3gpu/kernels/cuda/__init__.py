"""CUDA drivers: grid-stride loops, compiled when they are first launched."""
