"""CPU drivers: a serial block of items, and blocks in parallel."""
