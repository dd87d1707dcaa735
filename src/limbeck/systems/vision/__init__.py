"""Systems about pictures and their classes."""
