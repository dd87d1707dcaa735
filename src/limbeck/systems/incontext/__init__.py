"""Systems about what a language model learns from its context, and how that context can be had for less."""
