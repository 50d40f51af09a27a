"""Numbers in a plan: to E.164, and whether they may be called outside."""

from __future__ import annotations

import re

import phonenumbers

from pbx.numbers import may_call, premium
from pbx.plan.faults import did_you_mean, quoted
from pbx.plan.written import Wrong

_WRITTEN = re.compile(r"\+?[0-9 ().-]{3,30}")


def check_region(region: str) -> None:
    """Refuse what is not an ISO 3166 country."""
    if region not in phonenumbers.SUPPORTED_REGIONS:
        hint = did_you_mean(region.upper(), phonenumbers.SUPPORTED_REGIONS)
        raise Wrong(f"unknown country {quoted(region)}", hint or "two letters: RU, KZ, DE")


def e164(text: str, region: str) -> str:
    """A number as ``+78005553535``; ``region`` is for those written without +."""
    if not _WRITTEN.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a number", 'write "+78005553535"')
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise Wrong(f"{quoted(text)} is not a number", 'write "+78005553535"') from error
    if not phonenumbers.is_possible_number(number):
        length = phonenumbers.is_possible_number_with_reason(number)
        short = length == phonenumbers.ValidationResult.TOO_SHORT
        raise Wrong(f"{quoted(text)} has too {'few' if short else 'many'} digits for a number")
    found = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if text.startswith("+") and found != "+" + re.sub(r"[^0-9]", "", text):
        # The library drops a national prefix behind the country's code: a slip, not a number.
        raise Wrong(f"{quoted(text)} is not a number", 'write "+78005553535"')
    return found


def national(number: str) -> tuple[str, ...]:
    """Other spellings of an E.164 number: without +, and as dialled inside its country."""
    parsed = phonenumbers.parse(number)
    inside = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return number.lstrip("+"), re.sub(r"[^0-9]", "", inside)


def refuse_dear(number: str, prefixes: tuple[str, ...]) -> None:
    """Refuse a number outside the allowed prefixes, or one that costs by the minute: a plan that
    someone changed must not be able to run up a bill."""
    if not may_call(number, prefixes):
        allowed = ", ".join(prefixes) or "nothing"
        raise Wrong(
            f"{number} may not be called", "allow it in settings.outside", (f"allowed: {allowed}",)
        )
    if premium(number):
        raise Wrong(f"{number} is a premium-rate number", "such numbers are never called")
