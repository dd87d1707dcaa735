"""A system's own options on the command line: parsed by its signature's types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from limbeck.errors import LimbeckError, near_matches

if TYPE_CHECKING:
    from rich.table import Table

    from limbeck.systems.cards import Card
    from limbeck.systems.registry import System


def options_table(card: Card) -> Table:
    """A system's options with types and defaults."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = f"Options of {card.slug}" if card.options else f"{card.slug} has no options of its own"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD if card.options else None)
    if card.options:
        for name in ("option", "type", "default"):
            table.add_column(name)
        for option in card.options:
            table.add_row(Text(option.flag, "bold"), Text(option.annotation), Text(option.default))
    return table


def parse_options(system: System, arguments: Sequence[str]) -> dict[str, Any]:
    """Turn ``--name value``, ``--name=value``, ``--flag`` and ``--no-flag`` into checked values.

    Args:
        system: Whose options they are.
        arguments: What the command line has beside `limbeck run`'s own options.

    Raises:
        LimbeckError: An option is unknown, given twice, has no value, or has one that its type does not allow.
    """
    types = system.types()
    known = {name.replace("_", "-"): name for name in types}
    values: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        written = rest.pop(0)
        if not written.startswith("--") or written == "--":
            raise LimbeckError(f"{written!r} is not expected here: options are written --name value")
        flag, equals, value = written[2:].partition("=")
        flag = flag.replace("_", "-")
        positive = flag.removeprefix("no-")
        if flag in known:
            name = known[flag]
            if not equals:
                if types[name] is bool and (not rest or rest[0].startswith("--")):
                    value = "true"
                elif rest:
                    value = rest.pop(0)
                else:
                    raise LimbeckError(f"--{flag} needs a value")
        elif positive in known and types[known[positive]] is bool and not equals:
            name, value = known[positive], "false"
        else:
            near = near_matches(flag, known)
            raise LimbeckError(f"{system.card.slug} has no option --{flag}; {near}")
        if name in values:
            raise LimbeckError(f"--{flag} is given twice")
        values[name] = _value(system, name, types[name], value)
    return values


def _value(system: System, name: str, annotation: Any, text: str) -> Any:
    import yaml
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        return adapter.validate_python(text)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    # What is not plain text (a list, null, a number among literals) is written as in YAML.
    try:
        return adapter.validate_python(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError):
        wanted = next(option.annotation for option in system.card.options if option.name == name)
        flag = name.replace("_", "-")
        raise LimbeckError(f"--{flag}: got {text!r}, expected {wanted} ({reason})") from None
