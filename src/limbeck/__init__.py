"""Limbeck distils knowledge from one model into another: from big to small, and from one modality into another."""

__version__ = "0.1.0"
