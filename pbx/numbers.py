"""Callers' numbers and names, made safe and alike: whatever comes in, something bounded comes out.

A number reaches us as the trunk wrote it, with a country's own prefixes, as a SIP address, or as
a word that says it is withheld.  Nothing here raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import phonenumbers
from phonenumbers import shortnumberinfo

MAX_RAW = 64
"""Longest number kept as it came, characters; E.164 has 15 digits."""
MAX_NAME = 80
"""Longest display name, characters."""
_MAX_SHORT = 6
"""Longest short code (112, 0911, 116117), digits; what is longer is a subscriber's number."""
_MAX_READ = 4096
"""No more than this of any text is looked at."""

_ANONYMOUS = frozenset(
    {
        "anonymous",
        "blocked",
        "no number",
        "not available",
        "private",
        "restricted",
        "unavailable",
        "unknown",
        "withheld",
        "аноним",
        "неизвестен",
        "скрыт",
    }
)
_ANONYMOUS_HOST = "anonymous.invalid"
"""RFC 3261 section 8.1.1.3, RFC 3323 section 4.1.1.3."""
_SCHEME = re.compile(r"(?:sips?|tel):", re.IGNORECASE)
_WRITTEN_AS_NUMBER = re.compile(r"[+＋]?[\d\s().\-/\u2010-\u2015]+")
_DEAR = frozenset(
    {phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST}
)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# ECMA-48: control sequences (CSI), strings (OSC, DCS, SOS, PM, APC), and two-sign escapes.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width signs that change how letters and emoji look, and nothing else."""


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """A caller's number.

    ``e164``: with +, "" when there is none (withheld, a short code, an internal number, junk).
    ``raw``: as it came, without control characters, at most 64.  ``national``: as it is written
    at home, or a short code; None when neither.  ``region_code``: ISO 3166, "" when unknown.
    ``anonymous``: withheld.  ``valid``: a number (or short code) that is assigned to be used.
    """

    e164: str
    raw: str
    national: str | None = None
    region_code: str = ""
    anonymous: bool = False
    valid: bool = False


def normalise(raw: str, region: str) -> CallerNumber:
    """What ``raw`` means to a company in ``region`` (ISO 3166: how numbers without + are read)."""
    shown = _clean(raw)[:MAX_RAW].strip()
    user = _user_part(_clean(raw))
    if _is_anonymous(user):
        return CallerNumber("", shown, anonymous=True)
    if len(user) > MAX_RAW or not _WRITTEN_AS_NUMBER.fullmatch(user):
        return CallerNumber("", shown)
    digits = _ascii_digits(user)
    if len(digits) <= _MAX_SHORT and "+" not in user and "＋" not in user:
        return _short(digits, shown, region)
    number = _parsed(user, region)
    if number is None or not phonenumbers.is_valid_number(number):
        # Some trunks leave out the +: believed where it makes a number that exists.
        with_plus = _parsed(f"+{digits}", region)
        if with_plus is not None and phonenumbers.is_valid_number(with_plus):
            number = with_plus
    if number is None:
        return CallerNumber("", shown)
    return CallerNumber(
        e164=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        raw=shown,
        national=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL),
        region_code=phonenumbers.region_code_for_number(number) or "",
        valid=phonenumbers.is_valid_number(number),
    )


def spoken(number: str, region: str) -> str:
    """A number (E.164) as it is said to people in ``region``: as one dials it there."""
    known = normalise(number, region)
    return known.national if known.region_code == region and known.national else number


def may_call(number: str, allowed_prefixes: Iterable[str]) -> bool:
    """``number`` is E.164 and begins with one of these prefixes (with +)."""
    return _E164.fullmatch(number) is not None and any(
        prefix.startswith("+") and number.startswith(prefix) for prefix in allowed_prefixes
    )


def premium(number: str) -> bool:
    """``number`` (E.164) costs by the minute."""
    parsed = _parsed(number, "")
    return parsed is not None and phonenumbers.number_type(parsed) in _DEAR


def region_of(number: str) -> str:
    """Where ``number`` (E.164) is from: ``RU 495`` is country and area code, ``RU`` a number
    without an area (a mobile), "" when that is not known."""
    parsed = _parsed(number, "")
    if parsed is None:
        return ""
    country = phonenumbers.region_code_for_number(parsed) or ""
    length = phonenumbers.length_of_geographical_area_code(parsed)
    area = phonenumbers.national_significant_number(parsed)[:length]
    return f"{country} {area}" if country and area else country


def clean_name(raw: str) -> str:
    """A display name for screens and logs: one line of printable text, NFC, at most 80 signs.

    Terminal escapes, control and direction signs and halves of surrogate pairs are dropped;
    letters of all scripts stay.
    """
    text = _ANSI.sub("", raw[:_MAX_READ])
    text = " ".join(_clean(text, keep=_JOINERS).split())
    return unicodedata.normalize("NFC", text)[:MAX_NAME].rstrip()


def _clean(text: str, keep: frozenset[str] = frozenset()) -> str:
    """Without control (Cc), format (Cf) and surrogate (Cs) signs; white space becomes a blank."""
    return "".join(
        " " if sign.isspace() else sign
        for sign in text[:_MAX_READ]
        if sign in keep or sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cf", "Cs")
    )


def _user_part(text: str) -> str:
    """``+7916...`` of ``"Ivan" <sip:+7916...;npdi@host;transport=tcp>``."""
    if "<" in text:
        text = text.rpartition("<")[2].partition(">")[0]
    text = text.strip()
    if scheme := _SCHEME.match(text):
        text = text[scheme.end() :]
    user, at, host = text.partition("@")
    if at and host.partition(";")[0].strip().casefold().endswith(_ANONYMOUS_HOST):
        return ""
    return user.partition(";")[0].strip()


def _is_anonymous(user: str) -> bool:
    word = user.casefold()
    # Trunks without a word for it send zeros.
    return word in _ANONYMOUS or not word.strip("0")


def _ascii_digits(user: str) -> str:
    return "".join(str(unicodedata.decimal(sign)) for sign in user if sign.isdecimal())


def _short(digits: str, shown: str, region: str) -> CallerNumber:
    """An emergency or service number, or someone inside: none of them has an E.164 form."""
    valid = False
    if digits and region in phonenumbers.SUPPORTED_SHORT_REGIONS:
        number = phonenumbers.PhoneNumber(
            country_code=phonenumbers.country_code_for_region(region),
            national_number=int(digits),
            italian_leading_zero=digits.startswith("0") or None,
        )
        valid = shortnumberinfo.is_emergency_number(
            digits, region
        ) or shortnumberinfo.is_valid_short_number_for_region(number, region)
    return CallerNumber("", shown, national=digits or None, region_code="", valid=valid)


def _parsed(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    """The number when its length is possible where it belongs, else None.

    Possible, not valid: new ranges are in use before the library knows them.  A number that
    makes sense inside one town only has no E.164 form.
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    length = phonenumbers.is_possible_number_with_reason(number)
    return number if length == phonenumbers.ValidationResult.IS_POSSIBLE else None
