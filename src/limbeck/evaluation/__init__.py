"""Metrics, the paired bootstrap and claims."""
