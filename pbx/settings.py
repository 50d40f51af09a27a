"""Settings of one engine process, from the environment; secrets also from files.

A plan never holds any of this: it may be read by anyone who edits menus.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pbx.errors import SettingsError
from pbx.lookup.port import DEFAULT_LIMIT_S, MOST_LIMIT_S
from pbx.lookup.target import LookupTarget
from pbx.webhooks.mail_target import MailTarget
from pbx.webhooks.target import Target, check_url
from pbx.webhooks.targets import read_targets, signing_key

LEAST_LIMIT_MS = 50
"""Shortest time that a CRM may be given to say who calls: less is never enough."""
MIN_SECRET = 12
"""Shortest AMI secret accepted: the AMI user can run dialplan, which is as good as a shell."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that engine and switch share, as each of them sees it."""

    here: Path
    on_switch: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything ``pbx run`` needs besides the plan."""

    plan: Path
    database: str
    ami_host: str
    ami_port: int
    ami_user: str
    ami_secret: str
    ami_tls_ca: Path | None
    http_host: str
    http_port: int
    sounds: Folder
    messages: Folder
    recordings: Folder
    cdr_file: Path
    state_dir: Path
    log_format: str
    log_level: str
    webhooks: tuple[Target | MailTarget, ...]
    lookup: LookupTarget | None
    web: bool
    realtime: bool

    def __repr__(self) -> str:
        """Without the secret: a traceback or a log line may show it."""
        return f"Settings(plan={self.plan}, ami={self.ami_user}@{self.ami_host}:{self.ami_port})"


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """Settings from ``VORONKA_*``.  Raises SettingsError naming the variable."""
    state = state_dir(env)
    sounds = Path(env.get("VORONKA_SOUNDS_DIR", str(state / "sounds"))).absolute()
    messages = messages_dir(env)
    recordings = recordings_dir(env)
    ami_tls_ca = Path(env["VORONKA_AMI_TLS_CA"]) if env.get("VORONKA_AMI_TLS_CA") else None
    return Settings(
        plan=plan_path(env),
        database=_database(env),
        ami_host=_ami_host(env, ami_tls_ca),
        ami_port=_port(env, "VORONKA_AMI_PORT", 5038),
        ami_user=env.get("VORONKA_AMI_USER", "voronka"),
        ami_secret=_ami_secret(env),
        ami_tls_ca=ami_tls_ca,
        http_host=env.get("VORONKA_HTTP_HOST", "127.0.0.1"),
        http_port=_port(env, "VORONKA_HTTP_PORT", 9180),
        sounds=Folder(sounds, env.get("VORONKA_SOUNDS_DIR_ON_SWITCH", str(sounds))),
        messages=Folder(messages, env.get("VORONKA_MESSAGES_DIR_ON_SWITCH", str(messages))),
        recordings=Folder(recordings, env.get("VORONKA_RECORDINGS_DIR_ON_SWITCH", str(recordings))),
        cdr_file=Path(env.get("VORONKA_CDR_FILE", "/var/log/asterisk/cdr-custom/voronka.csv")),
        state_dir=state,
        log_format=_log_format(env),
        log_level=_log_level(env),
        webhooks=_webhooks(env, messages),
        lookup=_lookup(env),
        web=_one_of(env, "VORONKA_WEB", ("on", "off"), "on") == "on",
        realtime=_one_of(env, "VORONKA_REALTIME", ("auto", "off"), "auto") == "auto",
    )


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Everything ``pbx web`` needs.  ``url``: what browsers call it by, "" where nothing says it;
    ``recordings`` and ``messages``: where talks and voicemail are kept; ``crm_secret``: signs what
    the CRM tells by itself; ``reports_file``: which reports are mailed; ``metrics_host`` and
    ``metrics_port``: where Prometheus asks the page; ``api_per_minute``: requests of one token."""

    plan: Path
    database: str
    state_dir: Path
    recordings: Path
    messages: Path
    host: str
    port: int
    url: str
    log_format: str
    log_level: str
    crm_secret: bytes | None = None
    reports_file: Path | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9181
    api_per_minute: int = 1200

    def __repr__(self) -> str:
        """Without secrets."""
        return f"WebSettings(plan={self.plan}, host={self.host}, port={self.port})"

    @property
    def secure(self) -> bool:
        """Browsers reach it by https."""
        return self.url.startswith("https://")


def read_web_settings(env: Mapping[str, str] = os.environ) -> WebSettings:
    """Settings of the page from ``VORONKA_*``.  Raises SettingsError naming the variable."""
    return WebSettings(
        plan=plan_path(env),
        database=_database(env),
        state_dir=state_dir(env),
        recordings=recordings_dir(env),
        messages=messages_dir(env),
        host=env.get("VORONKA_WEB_HOST", "127.0.0.1"),
        port=_port(env, "VORONKA_WEB_PORT", 8180),
        url=_web_url(env),
        log_format=_log_format(env),
        log_level=_log_level(env),
        crm_secret=_crm_secret(env),
        reports_file=Path(env["VORONKA_REPORTS_FILE"]) if env.get("VORONKA_REPORTS_FILE") else None,
        metrics_host=env.get("VORONKA_HTTP_HOST", "127.0.0.1"),
        metrics_port=_port(env, "VORONKA_WEB_METRICS_PORT", 9181),
        api_per_minute=_number(env, "VORONKA_API_PER_MINUTE", 1200, least=1, most=1_000_000),
    )


def recordings_dir(env: Mapping[str, str] = os.environ) -> Path:
    """Where recordings of talks are kept."""
    state = env.get("VORONKA_STATE_DIR", "var")
    return Path(env.get("VORONKA_RECORDINGS_DIR", f"{state}/recordings")).absolute()


def messages_dir(env: Mapping[str, str] = os.environ) -> Path:
    """Where voicemail is kept."""
    state = env.get("VORONKA_STATE_DIR", "var")
    return Path(env.get("VORONKA_MESSAGES_DIR", f"{state}/messages")).absolute()


def state_dir(env: Mapping[str, str] = os.environ) -> Path:
    """What the engine keeps on disk besides the log."""
    return Path(env.get("VORONKA_STATE_DIR", "var"))


def plan_path(env: Mapping[str, str] = os.environ) -> Path:
    """Where the dial plan is, unless a command says otherwise."""
    return Path(env.get("VORONKA_PLAN", "config"))


def read_secret(env: Mapping[str, str], name: str) -> str:
    """``NAME``, or the content of the file that ``NAME_FILE`` names; "" when neither is set.

    Raises SettingsError when both are set or the file can't be read.
    """
    value, file = env.get(name, ""), env.get(f"{name}_FILE", "")
    if value and file:
        raise SettingsError(f"{name} and {name}_FILE are both set: keep one")
    if not file:
        return value
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE: {file} can't be read: {error}") from error


def _database(env: Mapping[str, str]) -> str:
    return read_secret(env, "VORONKA_DB") or f"sqlite:///{state_dir(env) / 'voronka.db'}"


def _log_format(env: Mapping[str, str]) -> str:
    return _one_of(env, "VORONKA_LOG", ("json", "console"), "json")


def _log_level(env: Mapping[str, str]) -> str:
    return _one_of(env, "VORONKA_LOG_LEVEL", ("debug", "info", "warning", "error"), "info")


def _crm_secret(env: Mapping[str, str]) -> bytes | None:
    secret = read_secret(env, "VORONKA_CRM_SECRET")
    if not secret:
        return None
    try:
        return signing_key(secret)
    except ValueError as error:
        raise SettingsError(f"VORONKA_CRM_SECRET: {error}") from None


def _web_url(env: Mapping[str, str]) -> str:
    """Scheme and host alone: the page stands at the top."""
    text = env.get("VORONKA_WEB_URL", "").rstrip("/")
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and parts.hostname
        rest = parts.path or parts.query or parts.fragment or parts.username or parts.password
    except ValueError:
        whole = rest = ""
    if not whole or rest:
        raise SettingsError(
            f"VORONKA_WEB_URL: {text!r} is not a scheme and a host, as https://pbx.example.com"
        )
    return text


def _ami_secret(env: Mapping[str, str]) -> str:
    secret = read_secret(env, "VORONKA_AMI_SECRET")
    if not secret:
        raise SettingsError("VORONKA_AMI_SECRET or VORONKA_AMI_SECRET_FILE is not set")
    if len(secret) < MIN_SECRET:
        raise SettingsError(f"VORONKA_AMI_SECRET is shorter than {MIN_SECRET} characters")
    return secret


def _webhooks(env: Mapping[str, str], messages: Path) -> tuple[Target | MailTarget, ...]:
    """That of missed calls alone, and those of the file."""
    missed = _signed_url(env, "VORONKA_MISSED_WEBHOOK")
    file = env.get("VORONKA_WEBHOOKS_FILE", "")
    others = read_targets(Path(file), messages) if file else ()
    return (*((Target(*missed),) if missed else ()), *others)


def _lookup(env: Mapping[str, str]) -> LookupTarget | None:
    """Whom the engine asks who calls."""
    name = "VORONKA_LOOKUP"
    found = _signed_url(env, name)
    if found is None:
        return None
    most = round(MOST_LIMIT_S * 1000)
    default = round(DEFAULT_LIMIT_S * 1000)
    limit = _number(env, f"{name}_LIMIT_MS", default, least=LEAST_LIMIT_MS, most=most)
    return LookupTarget(*found, limit / 1000)


def _signed_url(env: Mapping[str, str], name: str) -> tuple[str, bytes] | None:
    """A checked URL and the key that signs what is sent there; None when there is none.  The URL is
    read like a secret: it may hold a token."""
    url = read_secret(env, name)
    if not url:
        return None
    http = _one_of(env, f"{name}_ALLOW_HTTP", ("no", "yes"), "no")
    try:
        checked = check_url(url, allow_http=http == "yes")
    except ValueError as error:
        raise SettingsError(f"{name}: the URL {error}") from error
    secret = read_secret(env, f"{name}_SECRET")
    if not secret:
        raise SettingsError(f"{name}_SECRET or {name}_SECRET_FILE is not set")
    try:
        return checked, signing_key(secret)
    except ValueError as error:
        raise SettingsError(f"{name}_SECRET: {error}") from None


def _ami_host(env: Mapping[str, str], tls_ca: Path | None) -> str:
    """The secret, and every caller's number, would cross the net for all to read."""
    host = env.get("VORONKA_AMI_HOST", "127.0.0.1")
    if tls_ca is None and not _is_loopback(host):
        raise SettingsError(
            f"VORONKA_AMI_HOST: {host} is not this machine: name the CA of its certificate in "
            "VORONKA_AMI_TLS_CA"
        )
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) <= 65535:
        raise SettingsError(f"{name}: {text!r} is not a port (0 to 65535)")
    return int(text)


def _number(env: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = env.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise SettingsError(f"{name}: {text!r} is not a number from {least} to {most}")
    return int(text)


def _one_of(env: Mapping[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    text = env.get(name, default)
    if text not in known:
        raise SettingsError(f"{name}: {text!r} is none of {', '.join(known)}")
    return text
