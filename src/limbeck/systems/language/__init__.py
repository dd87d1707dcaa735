"""Language models of a few thousand parameters on the world's language: what their systems share, and the systems."""
