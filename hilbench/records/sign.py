"""Signatures of records with OpenSSH's `ssh-keygen -Y`: beside a record's file, `ID.json.sig`.

A seal tells of damage; a signature tells who vouches for a record, and that nobody changed it since.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from hilbench.errors import HilbenchError, StoreError, Unavailable, UsageError
from hilbench.records.directory import write_whole
from hilbench.records.store import Document

NAMESPACE = "hilbench.record"
"""What a signature is for: one that was made for anything else is none of a record."""
SUFFIX = ".sig"
_LARGEST_BYTES = 64 * 1024
"""A signature has less than a thousand bytes, with a certificate some thousands."""
_LONGEST_S = 120.0
"""A key with a passphrase asks for it; a hardware key waits for a finger."""


class BadSignature(HilbenchError):
    """There is no signature, or it is not one of this record by somebody who is allowed to sign."""


def sign(document: Document, key: Path) -> Path:
    """Sign the record with the private `key` (or a public one, whose private half an agent has); return the file.

    Raises `StoreError` for a record that is no file, is damaged, or beside which nothing can be written, `UsageError`
    when the key cannot sign, `Unavailable` without OpenSSH.
    """
    document.record()
    path = signature_file(document)
    if path is None:
        raise StoreError("only a record in a file can be signed", where=document.where,
                         hint="put it into a folder first")  # fmt: skip
    if not key.is_file():
        raise UsageError(f"there is no key '{key}'", hint="`ssh-keygen -t ed25519 -f KEY` makes one")
    done = _ssh_keygen(["sign", "-q", "-f", str(key), "-n", NAMESPACE], document)
    if done.returncode:
        raise UsageError(f"the key '{key}' does not sign: {_first_line(done.stderr)}")
    try:
        write_whole(path, done.stdout)
    except OSError as error:
        raise StoreError(f"the signature could not be written: {error.strerror}", where=str(path)) from error
    return path


def signer(document: Document, signers: Path) -> str:
    """Return who signed the record: a name of the file `signers`, as ssh-keygen(1) has it under ALLOWED SIGNERS.

    Raises `BadSignature` when there is no signature, or none of this record by any of them; `UsageError` when there is
    no such file, `Unavailable` without OpenSSH.
    """
    check_signers(signers)
    path = signature_file(document)
    if path is None or not path.is_file():
        raise BadSignature("there is no signature", where=document.where, hint="`hilbench sign` makes one")
    named = _ssh_keygen(["find-principals", "-s", str(path), "-f", str(signers)], document)
    names = named.stdout.decode(errors="replace").splitlines()
    if named.returncode or not names:
        raise BadSignature("it is signed by nobody who is allowed to", where=str(path))
    name = names[0].strip()
    checked = _ssh_keygen(["verify", "-f", str(signers), "-I", name, "-n", NAMESPACE, "-s", str(path)], document)
    if checked.returncode:
        why = _first_line(checked.stderr or checked.stdout)
        raise BadSignature(f"the signature is not one of this record by {name}: {why}", where=str(path))
    return name


def check_signers(signers: Path) -> None:
    """Raise `UsageError` when there is no such file of allowed signers."""
    if not signers.is_file():
        raise UsageError(f"there is no file of allowed signers '{signers}'", hint="one line each: NAME KEYTYPE KEY")


def signature_file(document: Document) -> Path | None:
    """Return where the signature of a record is; None for a record that is in no file."""
    path = Path(document.where)
    return path.with_name(path.name + SUFFIX) if path.is_file() else None


def signature_of(document: Document) -> bytes | None:
    """Return the signature beside a record's file; None where there is none. Raises `StoreError`."""
    path = signature_file(document)
    if path is None or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_BYTES)
    except OSError as error:
        raise StoreError(f"the signature cannot be read: {error.strerror}", where=str(path)) from error


def carry(document: Document, place: str) -> bool:
    """Put the signature of `document`, if it has one, beside its copy at `place`, and leave one that is there.

    Return False if it has one and the copy is in no file, beside which it could be. Raises `StoreError`.
    """
    signature, copied = signature_of(document), Path(place)
    if signature is None:
        return True
    if not copied.is_file():
        return False
    path = copied.with_name(copied.name + SUFFIX)
    try:
        if not path.exists():
            write_whole(path, signature)
    except OSError as error:
        raise StoreError(f"the signature could not be written: {error.strerror}", where=str(path)) from error
    return True


def _ssh_keygen(arguments: Sequence[str], document: Document) -> subprocess.CompletedProcess[bytes]:
    # No session of its own: whoever has to be asked for a passphrase is asked at this terminal.
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", *arguments],
            input=document.text.encode(),
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except FileNotFoundError:
        raise Unavailable("there is no ssh-keygen here", hint="install OpenSSH, 8.2 or newer") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"ssh-keygen did not end in {_LONGEST_S:g} s") from None


def _first_line(text: bytes) -> str:
    return text.decode(errors="replace").strip().partition("\n")[0]
