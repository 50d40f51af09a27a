"""Where a webhook may go, and what its secret must be."""

from __future__ import annotations

import pytest

from pbx.errors import SettingsError
from pbx.settings import read_settings
from pbx.webhooks.target import Target, check_url, may_reach

NAME = "VORONKA_MISSED_WEBHOOK"
BASE = {"VORONKA_AMI_SECRET": "a-secret-that-is-long"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example/hook?token=1",
        "https://crm:8443/hook",
        "https://192.168.1.5/hook",
        "https://127.0.0.1:9000/",
        "https://[2001:db8::1]/hook",
        "https://xn--80aswg.xn--p1ai/",
    ],
)
def test_names_and_addresses_of_others_and_our_own_are_fine(url: str) -> None:
    assert check_url(url, allow_http=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/hook",
        "ftp://crm.example/",
        "file:///etc/passwd",
        "crm.example/hook",
        "https://",
        "https://user:secret@crm.example/",
        "https://crm.example/#part",
        "https://crm.example/a b",
        "https://crm.example/\nx",
        "https://crm.example:99999/",
        # Metadata services, written in all the ways that some library understands.
        "https://169.254.169.254/latest",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::]/",
        "https://[fd00:ec2::254]/",
        "https://100.100.100.200/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://2852039166/",
        "https://0251.0376.0251.0376/",
        "https://169.254.43518/",
        "https://１６９.254.169.254/",
        "https://169。254。169。254/",
        "https://%31%36%39.254.169.254/",
    ],
)
def test_what_is_no_place_for_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|http|user|address"):
        check_url(url, allow_http=False)


def test_http_is_for_who_asks_for_it() -> None:
    assert check_url("http://crm.lan/hook", allow_http=True) == "http://crm.lan/hook"


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1%2", "::", "no address"])
def test_an_address_behind_a_name_is_looked_at_too(address: str) -> None:
    assert not may_reach(address)


def test_the_settings_hold_a_checked_url_and_a_key() -> None:
    settings = read_settings(
        BASE
        | {NAME: "http://crm.lan/hook?token=x", f"{NAME}_ALLOW_HTTP": "yes"}
        | {f"{NAME}_SECRET": SECRET}
    )

    (target,) = settings.webhooks
    assert isinstance(target, Target)
    assert len(target.secret) == 24
    assert "token" not in repr(target)
    assert SECRET not in repr(target)
    assert read_settings(BASE).webhooks == ()


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({NAME: "http://crm.lan/"}, "is http"),
        ({NAME: "https://169.254.169.254/"}, "link-local"),
        ({NAME: "https://crm.lan/", f"{NAME}_SECRET": "short"}, "shorter than 24"),
        ({NAME: "https://crm.lan/", f"{NAME}_SECRET": "whsec_%%"}, "not base64"),
        ({NAME: "https://crm.lan/", f"{NAME}_SECRET": ""}, "is not set"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(env: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as raised:
        read_settings(BASE | env)

    assert str(raised.value).startswith(NAME)
    assert "crm" not in str(raised.value)
