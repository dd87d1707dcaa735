"""The page of `limbeck demo`: what a caption translator says, and what it imagines."""
