"""Side by side with the peers: ``python -m benchmarks [names...] [--quick] [--json FILE]``."""
