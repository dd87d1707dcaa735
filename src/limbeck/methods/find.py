"""Methods by their names, with settings that are held against their constructors."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import create_model

import limbeck.methods
from limbeck.errors import LimbeckError, near_matches
from limbeck.methods.base import Method
from limbeck.settings import Settings


@functools.cache
def named_methods() -> dict[str, type[Method]]:
    """Every method of the package that has a name; a file that is put into ``limbeck/methods`` is found by itself.

    Example:
        >>> "logits" in named_methods()
        True
    """
    found: dict[str, type[Method]] = {}
    for module in pkgutil.walk_packages(limbeck.methods.__path__, f"{limbeck.methods.__name__}."):
        for member in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(member) and issubclass(member, Method) and member.name:
                found[member.name] = member
    return dict(sorted(found.items()))


def make_method(settings: Mapping[str, Any]) -> Method:
    """Make a method from ``name`` and its own settings.

    Args:
        settings: As a configuration file gives them.

    Raises:
        LimbeckError: There is no such method, or a setting of it is unknown or not possible.

    Example:
        >>> make_method({"name": "logits", "temperature": 2.0}).weights
        {'forward_kl': 4.0}
        >>> make_method({"name": "logits", "temprature": 2.0})
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: method logits: unknown key 'temprature'; did you mean 'temperature'?
    """
    methods = named_methods()
    name = settings.get("name", "logits")
    if not isinstance(name, str) or name not in methods:
        raise LimbeckError(f"method: there is no {name!r}; {near_matches(str(name), methods, most=len(methods))}")
    given = {key: value for key, value in settings.items() if key != "name"}
    checked = settings_of(methods[name])(**given)
    try:
        return methods[name](**{field: getattr(checked, field) for field in type(checked).model_fields})
    except ValueError as error:
        raise LimbeckError(f"method {name}: {error}") from None


@functools.cache
def settings_of(method: type[Method]) -> type[Settings]:
    """The settings of a method: the keyword arguments of its constructor, with their types and defaults."""
    types = typing.get_type_hints(method.__init__, include_extras=True)
    fields: dict[str, Any] = {
        name: (types[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(method).parameters.items()
    }
    made: type[Settings] = create_model(f"method {method.name}", __base__=Settings, **fields)
    return made
