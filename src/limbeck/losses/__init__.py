"""Pure functions on tensors. They return sums with counts, hold no state and hide no reduction."""
