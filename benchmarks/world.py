"""How many scenes a second the world gives on one core: `python benchmarks/world.py`.

A scene is sampled, drawn and told in three languages. The first batch, which builds the sprites, is not counted.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import time

import numpy as np

import limbeck
from limbeck.world import World
from limbeck.world.lexicon import LANGUAGES
from processes import processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--batches", type=int, default=10)
    options = parser.parse_args()

    world = World(image_size=options.size)
    spent = {"sample": 0.0, "images": 0.0, "captions": 0.0}
    for number in range(options.batches + 1):
        times: list[float] = [time.process_time()]
        scenes = world.scenes("train", start=number * options.batch, count=options.batch)
        times.append(time.process_time())
        scenes.images()
        times.append(time.process_time())
        for language in LANGUAGES:
            scenes.captions(language)
        times.append(time.process_time())
        if number:
            for part, start, end in zip(spent, times, times[1:], strict=False):
                spent[part] += end - start
    total = options.batches * options.batch
    print(
        f"{total / sum(spent.values()):,.0f} scenes/s of CPU time, image {options.size}x{options.size}, three languages"
    )
    for part, seconds in spent.items():
        print(f"  {part:9} {1e6 * seconds / total:6.1f} us a scene")
    print(f"{processor()}, one process; Python {platform.python_version()}, numpy {np.__version__}, limbeck "
          f"{limbeck.__version__}; {datetime.date.today()}")  # fmt: skip


if __name__ == "__main__":
    main()
