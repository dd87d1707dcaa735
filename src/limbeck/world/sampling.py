"""Which facts a scene has: sampled for a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from limbeck.world.lexicon import Lexicon, lexicon
from limbeck.world.scene import SETTINGS, Facts, Frame, Role, context_nouns
from limbeck.world.splits import Split
from limbeck.world.streams import Bools, Draws, Ints

_LONGEST = 16  # words in any of the languages
_WEIGHTS = np.array([3, 1.5, 1, 1.5, 1.5, 1.5, 1.5, 1.5, 1, 1.5])
_HAS_OBJECT = np.isin(np.arange(10), [Frame.PLAIN, Frame.GARMENT, Frame.THERE, Frame.FRONTED, Frame.RELATIVE,
                                      Frame.PREDICATE, Frame.WHILE])  # fmt: skip
_MAY_LACK_PLACE = np.isin(np.arange(10), [Frame.PLAIN, Frame.GARMENT, Frame.RELATIVE, Frame.WHILE])
_HAS_ACTOR = ~np.isin(np.arange(10), [Frame.THERE, Frame.PREDICATE])
_SINGLE_ACTOR = np.isin(np.arange(10), [Frame.GARMENT, Frame.RELATIVE, Frame.COMPANION, Frame.WHILE])
# Words without place and adjectives, and words of a preposition: each in the language that needs most of them.
_BASE_LENGTH = np.array([5, 3, 3, 8, 5, 5, 9, 5, 6, 10])
_PREPOSITION_LENGTH = np.array([3, 3, 1, 3, 1, 1, 1, 2])


@dataclass(frozen=True)
class _Options:
    """What the lexicon allows each kind, as arrays that can be indexed by kind id."""

    can_hold: Bools
    sit_on: Bools
    stand_under: Bools
    colours: Ints  # (kinds, most), padded with -1
    colour_count: Ints
    particles: Ints  # words beyond the first that a verb takes, by verb id and 0 in the last row
    adult: Bools
    material: Bools  # by adjective id
    following: Ints  # the next kind of the group

    @classmethod
    def of(cls, words: Lexicon) -> _Options:
        materials = {words.adjectives[index].english: index for index in words.adjective_ids("material")}
        allowed = [
            (words.adjective_ids("colour") if "colour" in noun.flags else [])
            + ([materials["wooden"], materials["metal"]] if "wood" in noun.flags else [])
            + ([materials["stone"]] if "stone" in noun.flags else [])
            for noun in words.nouns
        ]
        colours = np.full((len(allowed), max(map(len, allowed))), -1)
        for row, ids in zip(colours, allowed, strict=True):
            row[: len(ids)] = ids
        has = {flag: np.array([flag in noun.flags for noun in words.nouns]) for flag in ("hold", "on", "under")}
        following = np.arange(len(words.nouns))
        for group in ("person", "animal", "thing"):
            following[words.kinds(group)] = np.roll(words.kinds(group), -1)
        return cls(
            has["hold"],
            has["on"],
            has["under"],
            colours,
            np.array([len(ids) for ids in allowed]),
            np.array([verb.particle_words for verb in words.verbs] + [0]),
            np.array([noun.kind in ("man", "woman") or noun.group == "profession" for noun in words.nouns]),
            np.array([adjective.group == "material" for adjective in words.adjectives]),
            following,
        )


@lru_cache(maxsize=1)
def _options() -> _Options:
    return _Options.of(lexicon())


def sample(
    seed: int,
    split: Split,
    index: Ints,
    *,
    ambiguous_share: float,
    context_share: float,
    ambiguous_words: tuple[str, ...],
) -> Facts:
    """Draw the facts of some scenes; each depends on its own number alone.

    Args:
        seed: The world's seed.
        split: Which stream of scenes, and in ``ambiguous`` what may stand beside what.
        index: The scenes' numbers. Shape ``(count,)``.
        ambiguous_share: Share of scenes with an ambiguous word (all, in the split ``ambiguous``).
        context_share: Share of sentences on a word that the setting decides that name a thing of the setting too.
        ambiguous_words: The ambiguous words in use.
    """
    words, nouns, options = lexicon(), context_nouns(seed), _options()
    draws = Draws(seed, split.stream, index)
    hard = split is Split.AMBIGUOUS
    count = len(index)

    # The ambiguous item comes first: its sense fixes the setting or the figure, and with them the rest.
    by_setting = words.senses_by_word(by_setting=True)
    senses = [
        [words.senses.index(sense) for sense in senses]
        for word, senses in words.senses_by_word().items()
        if word in ambiguous_words and not (hard and word not in by_setting)
    ]
    ambiguous = draws.chance(1.0 if hard else ambiguous_share)
    which = np.array(senses)[draws.pick(range(len(senses))), draws.pick([0, 1])]
    sense = np.where(ambiguous, which, -1)
    sense_kind = np.array([one.kind for one in words.senses])[which]
    sense_setting = np.array([SETTINGS.index(one.decided_by) if one.decided_by in SETTINGS else -1
                              for one in words.senses])[which]  # fmt: skip
    thing_item = ambiguous & (sense_setting >= 0)
    person_item = ambiguous & (sense_setting < 0)
    setting = np.where(thing_item, sense_setting, draws.pick(range(len(SETTINGS))))

    # Words that the picture must settle mostly stand without a thing of the setting: then the text says nothing of it.
    with_context = np.where(thing_item, draws.chance(1.0 if hard else context_share), draws.chance(0.85))
    both = thing_item & with_context
    any_frame = draws.weighted(np.where(person_item[:, None], _WEIGHTS * _HAS_ACTOR, _WEIGHTS))
    frame = np.where(both, draws.weighted(_WEIGHTS * _HAS_OBJECT), any_frame)
    has_object, has_actor = _HAS_OBJECT[frame], _HAS_ACTOR[frame]
    has_place = both | ~_MAY_LACK_PLACE[frame] | draws.chance(0.6)

    # Who and what.
    weights = np.broadcast_to(nouns.weights, (count, nouns.kind.shape[1]))
    allowed = nouns.familiar[setting] != hard
    weights = np.where(thing_item[:, None], weights * allowed, weights)
    context = nouns.kind[setting, draws.weighted(weights)]
    context_at_place = has_place & (~has_object | draws.chance(0.7))
    item_at_place = thing_item & (~has_object | (has_place & draws.chance(0.25) & (frame != Frame.PREDICATE)))
    context_at_place = np.where(thing_item, ~item_at_place, context_at_place)

    kind = np.full((count, len(Role)), -1)
    neutral_object = draws.pick(words.kinds("thing"))
    neutral_place = np.where(
        draws.chance(0.5), draws.pick(words.kinds("thing")), draws.pick(words.kinds("animal") + words.kinds("person"))
    )
    obj = np.where(with_context & ~context_at_place, context, neutral_object)
    obj = np.where(thing_item & ~item_at_place, sense_kind, obj)
    place = np.where(with_context & context_at_place, context, neutral_place)
    place = np.where(item_at_place, sense_kind, place)
    actor = np.where(person_item, sense_kind, draws.pick(words.kinds("person")))
    kind[:, Role.ACTOR] = np.where(has_actor, actor, -1)
    second = np.full(count, -1)
    for of_frame, group in (
        (Frame.GARMENT, "garment"),
        (Frame.RELATIVE, "thing"),
        (Frame.COMPANION, "animal"),
        (Frame.WHILE, "person"),
    ):
        second = np.where(frame == of_frame, draws.pick(words.kinds(group)), second)
    # No two of a kind, which a reader could not tell apart.
    for taken in (actor, obj) * 2:
        second = np.where(second == taken, options.following[second], second)
    for taken in (actor, second, obj) * 3:
        place = np.where(place == taken, options.following[place], place)
    kind[:, Role.SECOND] = second
    kind[:, Role.OBJECT] = np.where(has_object, obj, -1)
    kind[:, Role.PLACE] = np.where(has_place, place, -1)
    decor = nouns.kind[setting, draws.weighted(nouns.weights)]
    kind[:, Role.DECOR] = np.where(draws.chance(0.5) & (decor != context), decor, -1)

    # How many, and whether known.
    number = np.ones((count, len(Role)), np.int64)
    several = draws.pick([1, 1, 1, 1, 1, 2, 2, 3])
    number[:, Role.ACTOR] = np.where(_SINGLE_ACTOR[frame], 1, several)
    plain_object = options.can_hold[obj] & ~(thing_item & ~item_at_place) & (number[:, Role.ACTOR] == 1)
    plain_object &= np.isin(frame, [Frame.PLAIN, Frame.GARMENT, Frame.THERE, Frame.FRONTED])
    number[:, Role.OBJECT] = np.where(plain_object & draws.chance(0.25), 2, 1)
    definite = np.stack([draws.chance(p) for p in (0.3, 0.2, 0.4, 0.6, 0.0)], axis=1)
    definite[:, Role.ACTOR] |= frame == Frame.GARMENT
    definite[:, Role.SECOND] |= frame == Frame.GARMENT
    # L'homme attend devant l'arbre would be too short, so only one of two is definite.
    brief = np.isin(frame, [Frame.REST, Frame.MOVE])
    definite[:, Role.PLACE] &= ~(brief & definite[:, Role.ACTOR])
    definite[:, Role.OBJECT] &= ~((frame == Frame.PLAIN) & ~has_place & definite[:, Role.ACTOR])
    definite[:, Role.OBJECT] = (definite[:, Role.OBJECT] | (frame == Frame.PREDICATE)) & (frame != Frame.THERE)

    # What they do, and where.
    regard, handle = words.verb_ids("regard"), words.verb_ids("handle")
    neutral_verb, holding_verb = draws.pick(regard), draws.pick(regard + handle)
    verb = np.where(options.can_hold[obj] & ~(thing_item & ~item_at_place), holding_verb, neutral_verb)
    rest, act = draws.pick(words.verb_ids("rest")), draws.pick(words.verb_ids("rest", "act"))
    verb = np.where(frame == Frame.REST, act, np.where(frame == Frame.COMPANION, rest, verb))
    verb = np.where(frame == Frame.MOVE, draws.pick(words.verb_ids("move")), verb)
    verb = np.where(has_actor, verb, -1)
    second_verb = np.where(frame == Frame.RELATIVE, draws.pick(handle), np.where(frame == Frame.WHILE, act, -1))
    preposition = draws.pick(range(4))
    resting = np.isin(frame, [Frame.REST, Frame.COMPANION, Frame.THERE])
    preposition = np.where(resting & options.sit_on[place] & draws.chance(0.7), 4, preposition)
    preposition = np.where(resting & options.stand_under[place] & draws.chance(0.4), 5, preposition)
    preposition = np.where(frame == Frame.MOVE, draws.pick([6, 7]), preposition)
    preposition = np.where(has_place, preposition, -1)

    # Adjectives and the progressive, while the sentence has room. What keeps it from being too short comes first.
    place_length = np.where(has_place, _PREPOSITION_LENGTH[preposition] + 2, 0)
    particles = options.particles
    room = _LONGEST - _BASE_LENGTH[frame] - place_length - particles[verb] - particles[second_verb]
    room -= ((number > 1) & definite).sum(axis=1)  # the two boats
    quality = np.full((count, len(Role)), -1)
    colour = np.full((count, len(Role)), -1)

    def grant(wanted: Bools, forced: Bools, cost: int | Ints = 1) -> Bools:
        nonlocal room
        granted = forced | (wanted & (room >= cost))
        room = room - cost * granted
        return granted

    lone = np.isin(frame, [Frame.PLAIN, Frame.REST, Frame.MOVE, Frame.FRONTED])
    needs_more = np.isin(frame, [Frame.PLAIN, Frame.GARMENT]) & ~has_place
    never = np.zeros(count, bool)
    has_colour = options.colour_count[kind] > 0
    for role, of_colour, probability, forced in (
        (Role.SECOND, True, 0.5, frame == Frame.GARMENT),
        (Role.ACTOR, False, 0.35, lone),
        (Role.OBJECT, False, 0.3, needs_more | (frame == Frame.PREDICATE)),
        (Role.OBJECT, True, 0.5, never),
        (Role.PLACE, True, 0.4, never),
        (Role.PLACE, False, 0.3, never),
    ):
        present = kind[:, role] >= 0
        wanted = draws.chance(probability) & present
        if of_colour:
            option = (draws.uniform() * options.colour_count[kind[:, role]]).astype(np.int64)
            adjective = options.colours[kind[:, role], option]
            # French has a phrase for a material.
            cost = 1 + options.material[adjective]
            granted = grant(wanted & has_colour[:, role], forced & present, cost)
            colour[:, role] = np.where(granted, adjective, -1)
        else:
            granted = grant(wanted, forced & present)
            quality[:, role] = np.where(granted, _quality(words, draws, kind[:, role]), -1)
    twice = np.isin(frame, [Frame.WHILE])
    wanted = draws.chance(0.6) & has_actor & (frame != Frame.RELATIVE)
    progressive = grant(wanted & ~twice, never) | grant(wanted & twice, never, cost=2)
    return Facts(
        setting, frame, verb, second_verb, progressive, preposition, sense, kind, number, definite, quality, colour
    )


def _quality(words: Lexicon, draws: Draws, kind: Ints) -> Ints:
    """An adjective that fits the kind: people are tired, things are new."""
    groups = np.array([noun.group for noun in words.nouns])[kind]
    quality = draws.pick(words.adjective_ids("any"))
    size, great, old, *_ = words.adjective_ids("any")
    child = draws.pick([size, great, *words.adjective_ids("person")])
    adult = draws.pick([old, *words.adjective_ids("adult", "person")])
    quality = np.where(groups == "person", child, quality)
    quality = np.where(_options().adult[kind], adult, quality)
    return np.where(groups == "thing", draws.pick(words.adjective_ids("any", "thing")), quality)
