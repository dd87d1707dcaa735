"""Real data: readers, collators, samplers. What bad input gets is decided here."""
