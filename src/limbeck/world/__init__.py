"""One invented world in which every modality is aligned with every other."""
