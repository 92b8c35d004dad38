"""Signatures of a run's manifest, and so of every file of the run: by ssh-keygen or by minisign, whichever has the key.

The manifest has the digest of every artefact. A signature of it, made on the auditor's machine with a key that never
leaves it, shows later that no byte was changed since. The programs are the user's own; nothing is installed or fetched.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conceptx.errors import InputError, JobError
from conceptx.run import Run

NAMESPACE = "conceptx"
_WAIT = 120
"""Seconds; a person may have to type a passphrase or touch a hardware key."""


def sign_run(path: Path, key: Path) -> Path:
    """Sign the manifest of the run at `path` with an SSH private key or a minisign secret key; return the signature."""
    manifest = Run.open(path).path / "manifest.json"
    if not Path(key).is_file():
        raise InputError(str(key), "there is no such key", "name a private key of ssh-keygen or of minisign")
    if _is_minisign(key, "secret key"):
        signature = manifest.with_name("manifest.json.minisig")
        _call(["minisign", "-S", "-s", str(key), "-m", str(manifest), "-x", str(signature)], "the key did not sign")
    else:
        signature = manifest.with_name("manifest.json.sig")
        signature.unlink(missing_ok=True)
        command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE, str(manifest)]
        _call(command, "the key did not sign")
    return signature


def verify_signature(path: Path, key: Path, signer: str | None = None) -> str:
    """Check the manifest's signature and say who signed; raise an InputError if it does not hold.

    `key` is a minisign public key, a file of allowed signers of ssh-keygen (``name key``, one a line), or an SSH
    public key (``id.pub``), whose owner is then called by the key's comment. `signer` is the name that must have
    signed; by default whoever of the file did.
    """
    manifest = Run.open(path).path / "manifest.json"
    if not Path(key).is_file():
        raise InputError(str(key), "there is no such key", "name a public key, or a file of allowed signers")
    wrong = "the signature does not belong to this manifest and this key"
    if _is_minisign(key, "public key"):
        signature = _signature(manifest, ".minisig")
        _call(["minisign", "-V", "-p", str(key), "-m", str(manifest), "-x", str(signature)], wrong, hostile=True)
        return str(key)
    signature = _signature(manifest, ".sig")
    with _allowed_signers(key) as (allowed, name):
        found = signer or name or _signer_of(signature, allowed)
        command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", found, "-n", NAMESPACE]
        _call([*command, "-s", str(signature)], wrong, stdin=manifest.read_bytes(), hostile=True)
    return found


@contextmanager
def _allowed_signers(key: Path) -> Iterator[tuple[Path, str | None]]:
    """Give a file of allowed signers, made for the time if `key` is one public key; then its owner's name too."""
    words = _read(key).split()
    if not words or not words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        yield key, None
        return
    name = words[2] if len(words) > 2 else "signer"
    with tempfile.NamedTemporaryFile("w", suffix=".signers", encoding="utf-8") as file:
        file.write(f"{name} {' '.join(words[:2])}\n")
        file.flush()
        yield Path(file.name), name


def _signer_of(signature: Path, allowed: Path) -> str:
    command = ["ssh-keygen", "-Y", "find-principals", "-s", str(signature), "-f", str(allowed)]
    found = _call(command, "none of the allowed signers made this signature", hostile=True).split()
    return found[0] if found else ""


def _signature(manifest: Path, ending: str) -> Path:
    signature = manifest.with_name(manifest.name + ending)
    if not signature.is_file():
        raise InputError(str(manifest), f"there is no signature {signature.name} beside it", "sign the run first")
    return signature


def _is_minisign(key: Path, kind: str) -> bool:
    return _read(key).startswith("untrusted comment:") and kind in _read(key).splitlines()[0]


def _read(key: Path) -> str:
    try:
        with Path(key).open("rb") as file:
            return file.read(1 << 20).decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(str(key), f"cannot be read ({error.strerror})", "check the path") from error


def _call(command: list[str], wrong: str, *, stdin: bytes | None = None, hostile: bool = False) -> str:
    program = shutil.which(command[0])
    if program is None:
        raise InputError(
            command[0], "the program is not installed", f"install {command[0]}, or use another kind of key"
        )
    try:
        done = subprocess.run([program, *command[1:]], input=stdin, capture_output=True, timeout=_WAIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise JobError(command[0], f"gave no answer in {_WAIT} s", "try again") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        error_type = InputError if hostile else JobError
        raise error_type(
            command[0], f"{wrong} ({said[-1] if said else 'no reason given'})", "check the key and the run"
        )
    return done.stdout.decode(errors="replace")
