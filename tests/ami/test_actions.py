"""Nothing that a caller, a phone or a plan holds adds a header or a command."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pbx.ami.actions import address, agi_quoted, caller_id, encode, originate
from pbx.ami.protocol import parse
from pbx.errors import UnsafeValue

ANYTHING = st.text(max_size=200)


@given(ANYTHING, ANYTHING)
def test_an_action_holds_exactly_its_fields_or_is_refused(one: str, other: str) -> None:
    try:
        data = encode("Setvar", (("Variable", one), ("Value", other)))
    except UnsafeValue:
        return
    assert data.count(b"\r\n\r\n") == 1
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\n") == 4
    assert parse(data[:-4]) == {"Action": "Setvar", "Variable": one, "Value": other}


@pytest.mark.parametrize(
    "bad", ["\r", "\n", "\r\nAction: Originate", "\0", "\x1b", "\x85", "\u2028"]
)
def test_control_characters_never_pass(bad: str) -> None:
    with pytest.raises(UnsafeValue):
        encode("Setvar", (("Value", f"a{bad}b"),))


@given(ANYTHING, ANYTHING)
def test_a_caller_id_is_one_name_and_one_number(name: str, number: str) -> None:
    shown = caller_id(name, number)

    assert shown.count('"') == 2
    assert shown.count("<") == shown.count(">") == 1
    assert set(shown.rpartition("<")[2][:-1]) <= set("0123456789+*#")
    encode("Originate", (("CallerID", shown),))


@given(ANYTHING)
def test_an_agi_argument_stays_one_argument(text: str) -> None:
    try:
        quoted = agi_quoted(text)
    except UnsafeValue:
        assert "${" in text or "$[" in text
        return
    inside = quoted[1:-1].replace("\\\\", "").replace('\\"', "")

    assert '"' not in inside
    assert not inside.endswith("\\")


@given(st.text(max_size=60))
def test_an_address_rings_one_device_or_is_refused(text: str) -> None:
    try:
        checked = address(f"PJSIP/{text}")
    except UnsafeValue:
        return
    assert not set(checked) & set("&,|()${}\"' \r\n")


@pytest.mark.parametrize(
    "bad",
    [
        ("Application", "Playback"),
        ("application", "System"),
        ("Data", "x"),
        ("Context", "default"),
        ("Context", "voronka-agent,s,1"),
        ("context", ""),
    ],
)
def test_originate_leads_into_our_own_dialplan_and_nowhere_else(bad: tuple[str, str]) -> None:
    with pytest.raises(UnsafeValue):
        encode("Originate", (("Channel", "PJSIP/anna"), bad))


@given(to=ANYTHING, channel_id=ANYTHING, caller=ANYTHING, theirs=ANYTHING, channel=ANYTHING)
def test_nothing_changes_where_a_rung_device_is_led(
    to: str, channel_id: str, caller: str, theirs: str, channel: str
) -> None:
    try:
        data = encode(
            "Originate",
            originate(
                channel_id=channel_id,
                to=f"PJSIP/{to}",
                ring_time_s=1.0,
                caller=caller_id(caller, caller),
                caller_channel_id=theirs,
                caller_channel=channel,
            ),
        )
    except UnsafeValue:
        return
    names = [line.split(b": ")[0] for line in data.split(b"\r\n") if line]
    assert (names.count(b"Context"), names.count(b"Variable"), len(names)) == (1, 3, 12)
    assert b"\r\nContext: voronka-agent\r\nExten: s\r\nPriority: 1\r\n" in data


@pytest.mark.parametrize(
    "bad",
    [
        "PJSIP/a&PJSIP/b",
        "Local/1@x,n",
        "Local/1@default",
        "Local/1@voronka-phones&PJSIP/x",
        "System/x",
        "PJSIP/a()",
        "",
    ],
)
def test_lists_of_devices_and_other_channels_are_refused(bad: str) -> None:
    with pytest.raises(UnsafeValue):
        originate(
            channel_id="x",
            to=bad,
            ring_time_s=1.0,
            caller="",
            caller_channel_id="1.1",
            caller_channel="PJSIP/trunk-1",
        )


def test_a_long_list_of_sounds_is_put_into_several_variables_and_is_the_same_again() -> None:
    sounds = "&".join(
        f"/var/lib/voronka/sounds/a-long-folder/{n:016}-{'x' * 90}" for n in range(16)
    )
    fields = originate(
        channel_id="voronka-1",
        to="PJSIP/anna",
        ring_time_s=20.0,
        caller='"" <1>',
        caller_channel_id="callback-1",
        caller_channel="callback-1",
        greeting=sounds,
    )
    encode("Originate", fields)  # each line is short enough
    said = [value for name, value in fields if value.startswith("VORONKA_SAY")]

    assert [one[:12] for one in said] == [f"VORONKA_SAY{n}" for n in range(len(said))]
    assert "".join(one[13:] for one in said) == sounds
    with pytest.raises(UnsafeValue):
        originate(
            channel_id="voronka-1",
            to="PJSIP/anna",
            ring_time_s=20.0,
            caller='"" <1>',
            caller_channel_id="callback-1",
            caller_channel="callback-1",
            greeting="&".join([sounds] * 4),
        )
