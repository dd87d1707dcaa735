"""What others have trained, by folder or hub name."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from limbeck.errors import LimbeckError
from limbeck.models.quiet import quiet_transformers


def load_pretrained(loader: Any, name: str, **how: Any) -> Any:
    """Load a model (safetensors only: pickles can run code), a tokenizer, a processor or a configuration.

    Args:
        loader: An Auto class of `transformers`.
        name: A folder, a hub name, or a ``.gguf`` file (package `gguf`).
        how: Passed on to ``from_pretrained``.

    Raises:
        LimbeckError: It cannot be loaded.
    """
    path, source, models = Path(name), name, loader.__name__.startswith("AutoModel")
    if path.suffix == ".gguf" and path.is_file():
        how, source = {**how, "gguf_file": path.name}, str(path.parent)
        if models:
            # Whole weights: those left in a file's blocks can be neither trained nor saved.
            how["quantization_config"] = transformers.GgufConfig(dequantize=True)
    elif models:
        how["use_safetensors"] = True
    try:
        with quiet_transformers():
            return loader.from_pretrained(source, **how)
    except SafetensorError as error:
        told = f"its weights are damaged, cut short, or a Git LFS pointer that was not fetched ({error})"
        raise LimbeckError(f"{name}: cannot be loaded: {told}") from None
    except (TypeError, AttributeError, StrictDataclassError) as error:  # not an object, or a value of another type
        told = f"a file of JSON in it is not what it should be: {' '.join(str(error).split())[:300]}"
        raise LimbeckError(f"{name}: cannot be loaded: {told}") from None
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, struct.error) as error:
        reason = " ".join(str(error).split())
        raise LimbeckError(f"{name}: cannot be loaded: {reason[:300]}") from None
