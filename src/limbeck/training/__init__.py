"""The one training loop, its plan, checkpoints, resume and callbacks."""
