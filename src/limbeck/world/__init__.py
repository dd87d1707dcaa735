"""One invented world in which every modality is aligned with every other.

A `World` gives `Scenes`; scenes give images, boxes, masks, labels and captions in English, German and French. All of it
depends on the seed, the split and the scene's number alone, never on the batch.
"""

from limbeck.world.ambiguity import AmbiguityRow, AmbiguousItem
from limbeck.world.scenes import Scenes
from limbeck.world.splits import Split
from limbeck.world.world import World

__all__ = ["AmbiguityRow", "AmbiguousItem", "Scenes", "Split", "World"]
