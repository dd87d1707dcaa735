"""Systems about objectives themselves, on problems so small that they can be solved many times."""
