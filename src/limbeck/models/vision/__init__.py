"""Vision teachers, and the description of their feature maps that the inverse network mirrors."""
