"""The catalogue: one file a published system."""
