"""The base of what users write: unknown keys are errors, and messages say what was got and what is possible."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from limbeck.errors import LimbeckError, near_matches


class _Loader(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, of which YAML's own loader takes the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As the loader's own."""
        known: list[Any] = []
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in known:
                raise yaml.MarkedYAMLError(problem=f"the key {name!r} is there twice", problem_mark=key.start_mark)
            known.append(name)
        return super().construct_mapping(node, deep)


class Settings(BaseModel):
    """Settings that a user writes, in Python or in YAML. They do not change once made.

    Raises:
        LimbeckError: A key is unknown or a value is not possible; the message names each.

    Example:
        >>> class Colour(Settings):
        ...     red: float = 0.0
        >>> Colour(rad=1.0)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: Colour: unknown key 'rad'; did you mean 'red'?
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise LimbeckError("; ".join(self._explain(dict(one)) for one in error.errors())) from None

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """YAML has keys of any kind, and a nested mapping is handed on as keyword arguments."""
        wrong = [key for key in values if not isinstance(key, str)] if isinstance(values, dict) else []
        if wrong:
            raise ValueError(f"keys are names, got {wrong[0]!r} for one")
        return handler(values)

    @classmethod
    def _explain(cls, error: dict[str, Any]) -> str:
        where = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            return f"{cls.__name__}: unknown key {where!r}; {near_matches(where, cls.model_fields)}"
        if error["type"] == "missing":
            return f"{cls.__name__}: {where!r} is missing"
        message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if not where:
            return f"{cls.__name__}: {message}"
        return f"{cls.__name__}.{where}: got {error['input']!r}, {message}"

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the settings from a YAML file.

        Args:
            path: A file with one mapping.

        Raises:
            LimbeckError: The file cannot be read, is not a mapping, or holds a wrong key or value.
        """
        try:
            values = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise LimbeckError(f"{path}: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise LimbeckError(f"{path}: got {type(values).__name__}, expected a mapping of keys to values")
        try:
            return cls(**values)
        except LimbeckError as error:
            raise LimbeckError(f"{path}: {error}") from None


def read_changed(path: str | Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Read a YAML file and change values in it, before it is held against what is possible.

    Args:
        path: A file with one mapping.
        changes: As ``"recipe.plan.lr=0.001"``: keys into nested mappings are joined by dots; values are YAML.

    Raises:
        LimbeckError: The file cannot be read or is not a mapping, or a change is not written as it should be.
    """
    values: dict[str, Any] = _Anything.read(path).model_dump()
    for change in changes:
        _change(values, change)
    return values


class _Anything(Settings):
    """Any mapping."""

    model_config = ConfigDict(extra="allow")


def _change(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise LimbeckError(f"{change!r} is not expected here: changes are written key=value, as recipe.plan.lr=0.001")
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise LimbeckError(f"{key}: {text!r} is no YAML ({' '.join(str(error).split())})") from None
    *outer, last = key.split(".")
    inner = values
    for depth, name in enumerate(outer, 1):
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            raise LimbeckError(f"{key}: {'.'.join(outer[:depth])!r} is {inner!r}, which has no keys")
    inner[last] = value
