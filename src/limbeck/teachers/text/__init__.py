"""Teachers that answer in text: behind an endpoint, or a model on this machine."""
