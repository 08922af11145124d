"""The mathematics of one hit, pair or event: plain Python, for every target."""
