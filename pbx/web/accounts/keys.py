"""Secrets that we make: long random texts, of which only a digest is kept."""

from __future__ import annotations

import hashlib
import secrets

TOKEN_PREFIX = "vrk_"
"""What an API token begins with: so that scanners of leaked secrets know one when they see it."""
SHOWN = 10
"""Signs of a token that lists show: enough to tell it apart, of no use to anybody else."""
_BYTES = 32


def new_secret() -> str:
    """256 bits, printable: nothing that could be guessed, so a plain digest keeps it."""
    return secrets.token_urlsafe(_BYTES)


def new_id() -> str:
    """A name for a row."""
    return secrets.token_hex(8)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
