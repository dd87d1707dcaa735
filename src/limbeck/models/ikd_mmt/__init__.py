"""IKD-MMT: translates image captions after learning from pictures, and needs none when it translates."""
