"""A callable of the user's that makes a model: the only code of others that runs, because the user names it."""

from __future__ import annotations

import importlib
import sys
from contextlib import redirect_stdout
from pathlib import Path

from torch import nn

from conceptx.activations.preprocess import Preprocess
from conceptx.errors import ConceptxError, InputError, did_you_mean


def from_factory(name: str) -> tuple[nn.Module, Preprocess | None]:
    """Import ``package.module`` (the working folder counts as a place of modules) and call the factory."""
    module_name, _, attribute = name.partition(":")
    where = f"model {name!r}"
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):  # standard output is the command's
            module = importlib.import_module(module_name)
    except (ImportError, ValueError, TypeError) as error:
        raise InputError(
            where, f"the module cannot be imported ({error})", "check its name and where it lies"
        ) from error
    except (Exception, SystemExit) as error:
        what = f"the module fails while it is imported ({type(error).__name__}: {error})"
        raise InputError(where, what, "mend the module") from error
    finally:
        sys.path.remove(here)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        mend = did_you_mean(attribute, vars(module)) or "write it as package.module:factory"
        raise InputError(where, f"the module has no callable {attribute!r}", mend)
    try:
        with redirect_stdout(sys.stderr):
            made = factory()
    except ConceptxError:
        raise
    except (Exception, SystemExit) as error:
        what = f"the factory fails ({type(error).__name__}: {error})"
        raise InputError(where, what, "mend it; it is called without arguments") from error
    model, preprocess = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(model, nn.Module) or not isinstance(preprocess, (Preprocess, type(None))):
        what = f"the factory returns {type(made).__name__}"
        raise InputError(where, what, "let it return a torch.nn.Module or (module, Preprocess(…))")
    return model, preprocess
