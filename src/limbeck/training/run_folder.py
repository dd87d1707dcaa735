"""The folder of a run: what was asked, what happened, and what came of it."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from limbeck.errors import LimbeckError
from limbeck.files import write_atomically, write_json


class RunFolder:
    """``config.yaml``, ``log.jsonl``, ``metrics.json``, ``checkpoints/``, ``hypotheses/``, ``plots/``.

    Args:
        path: The folder; it is made where it does not exist.
        resume: Whether a run that is already there may go on.

    Raises:
        LimbeckError: The folder is not empty and ``resume`` is off, or the path is a file.

    Example:
        >>> import tempfile
        >>> run = RunFolder(Path(tempfile.mkdtemp()) / "run")
        >>> run.write_config({"lr": 0.1})
        >>> run.append({"step": 1, "loss": 0.5})
        >>> run.rows()
        [{'step': 1, 'loss': 0.5}]
    """

    def __init__(self, path: str | Path, *, resume: bool = False) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise LimbeckError(f"{self.path}: is a file; a run needs a folder")
        if not resume and self.path.exists() and any(self.path.iterdir()):
            raise LimbeckError(
                f"{self.path}: is not empty; resume the run that is in it (resume=True, or --resume), "
                "choose another folder, or remove it"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except NotADirectoryError:
            raise LimbeckError(f"{self.path}: lies below a file; a run needs a folder") from None

    @property
    def log(self) -> Path:
        """One row of JSON a line."""
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """One folder a checkpoint, and the pointers ``latest.json`` and ``best.json``."""
        return self._folder("checkpoints")

    @property
    def hypotheses(self) -> Path:
        """What the model wrote."""
        return self._folder("hypotheses")

    @property
    def plots(self) -> Path:
        """Pictures."""
        return self._folder("plots")

    @property
    def model(self) -> Path:
        """The weights that the run ended with."""
        return self.path / "model.safetensors"

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write ``config.yaml``: what was asked for, in plain values."""
        write_atomically(self.path / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))

    def refuse_other(self, config: Mapping[str, Any], *, free: Collection[str] = ()) -> None:
        """Refuse to mix two different runs in one folder.

        Args:
            config: What is asked for now; what else the folder's ``config.yaml`` notes is not compared.
            free: Dotted names of what may change.

        Raises:
            LimbeckError: The folder's run was asked for something else, or its ``config.yaml`` is damaged.
        """
        written = self.path / "config.yaml"
        if not written.exists():
            return
        try:
            found = yaml.safe_load(written.read_text(encoding="utf-8")) or {}
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise LimbeckError(f"{written}: is damaged: {' '.join(str(error).split())}") from None
        if not isinstance(found, dict):
            raise LimbeckError(f"{written}: is damaged: got {type(found).__name__}, expected a mapping")
        before = dict(_flat({name: value for name, value in found.items() if name in config}))
        now = dict(_flat(config))
        for name in sorted((before.keys() | now.keys()) - set(free)):
            if before.get(name) != now.get(name):
                told = f"{name} {before.get(name)!r}; it cannot go on with {now.get(name)!r}"
                raise LimbeckError(f"{self.path} holds a run with {told}")

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write ``metrics.json``: what came of it."""
        write_json(self.path / "metrics.json", metrics)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the log; a last line that a kill cut short is left out.

        Raises:
            LimbeckError: Another line is not JSON.
        """
        if not self.log.exists():
            return []
        rows = []
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                if number < len(lines):
                    raise LimbeckError(f"{self.log}, line {number}: is not JSON ({error.msg})") from None
        return rows

    def drop_rows_after(self, step: int) -> None:
        """Forget what was logged after the step from which a run is resumed."""
        rows = [row for row in self.rows() if row.get("step", 0) <= step]
        write_atomically(self.log, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def forgotten_if_refused(path: Path) -> Iterator[None]:
    """Remove the folder of a run that was refused before anything happened, so that a mistake can be put right.

    Args:
        path: What was there before, or has come to hold more than what was asked, stays.
    """
    new = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    try:
        yield
    except LimbeckError:
        filled = {file.name for file in path.rglob("*") if file.is_file() and file.stat().st_size}
        if new and filled <= {"config.yaml", "recipe.json"}:
            shutil.rmtree(path, ignore_errors=True)
        raise


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as one, by dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def environment() -> dict[str, Any]:
    """What a number depends on beside the code: versions, device, threads, date, and the commit where there is one.

    Example:
        >>> sorted(environment())[:4]
        ['accelerate', 'commit', 'date', 'device']
    """
    return {
        **{name: version(name) for name in ("limbeck", "torch", "transformers", "numpy", "accelerate")},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the checkout that this file is in; None where it was installed without one."""
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
