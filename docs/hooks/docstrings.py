"""How docstrings are read: Sphinx' roles become links, and fields of a class are the arguments that make it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

_ROLE = re.compile(r":(?:mod|class|func|meth|attr|data|exc):`(~?)([\w.]+)`")
_ARGUMENTS = re.compile(r"^ *Args:$", re.MULTILINE)
_EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Docstrings as mkdocstrings wants them, without another way of writing them in the source."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Change the docstrings of everything in a package, once all of it is known."""
        for thing in _things(pkg):
            if isinstance(thing, griffe.Class) and _made_from_fields(thing):
                thing.set_member("__init__", _initialiser(thing))
            if thing.docstring:
                text = _ROLE.sub(lambda role, at=thing: _reference(role, at), thing.docstring.value)
                thing.docstring.value = _EXAMPLE.sub(r"\1Examples:", text)


def _things(thing: griffe.Object) -> Iterator[griffe.Object]:
    yield thing
    for member in list(thing.members.values()):
        if not isinstance(member, griffe.Alias):
            yield from _things(member)


def _reference(role: re.Match[str], at: griffe.Object) -> str:
    """A link to what a role names: a full path, or a name that is known where the docstring stands."""
    short, path = role.groups()
    scope: griffe.Object | None = at
    while scope is not None:
        if path.partition(".")[0] in scope.members:
            return f"[`{path}`][{scope.path}.{path}]"
        scope = scope.parent
    return f"[`{path.rpartition('.')[2] if short else path}`][{path}]"


def _made_from_fields(thing: griffe.Class) -> bool:
    """Whether a class documents arguments that no constructor of its own takes: settings, named tuples."""
    own = "__init__" in thing.members or bool(thing.decorators)
    return not own and thing.docstring is not None and _ARGUMENTS.search(thing.docstring.value) is not None


def _initialiser(thing: griffe.Class) -> griffe.Function:
    """What becomes of the fields: keyword arguments with types and defaults."""
    fields = [
        member
        for member in thing.members.values()
        if isinstance(member, griffe.Attribute) and member.annotation is not None and not member.name.startswith("_")
    ]
    parameters = [
        griffe.Parameter(
            field.name,
            annotation=field.annotation,
            kind=griffe.ParameterKind.keyword_only,
            default=_default(field),
        )
        for field in fields
    ]
    return griffe.Function("__init__", parameters=griffe.Parameters(*parameters), parent=thing, returns="None")


def _default(field: griffe.Attribute) -> str | griffe.Expr | None:
    value = field.value
    if not isinstance(value, griffe.ExprCall) or value.canonical_path != "pydantic.Field":
        return value
    given = {one.name: one.value for one in value.arguments if isinstance(one, griffe.ExprKeyword)}
    if "default_factory" not in given:
        return given.get("default")
    factory = given["default_factory"]
    if isinstance(factory, griffe.ExprLambda):
        return factory.body
    return griffe.ExprCall(function=factory, arguments=[])  # type: ignore[arg-type]
