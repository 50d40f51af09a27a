"""The engine's AMI user on a real Asterisk: what it may do, and what it is refused."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import pytest

from lab.asterisk import AsteriskLab, LabPhone
from lab.sipp import Caller, Dialling
from pbx.switch import port
from tests.asterisk.adapter import adapter
from tests.asterisk.raw_ami import RawAmi, raw_ami

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(60)]

DID = "78005553535"
PASSWORD = "a-password-of-a-phone"
WRITE = ("call", "agi", "originate", "reporting")

#: An action of the engine's that each right is for.
NEEDED = {
    "call": ("Setvar", {"Variable": "X", "Value": "1"}),
    "agi": ("AGI", {"Command": "NOOP", "CommandID": "x"}),
    "originate": ("Originate", {"Context": "voronka-agent", "Exten": "s", "Priority": "1"}),
    "reporting": ("CoreShowChannels", {}),
}

FORBIDDEN = (
    "Command",
    "CreateConfig",
    "DBPut",
    "DialplanExtensionAdd",
    "DialplanExtensionRemove",
    "Filter",
    "GetConfig",
    "GetConfigJSON",
    "ListCategories",
    "MessageSend",
    "MixMonitor",
    "ModuleLoad",
    "MuteAudio",
    "PJSIPNotify",
    "PJSIPShowAuths",
    "PJSIPShowEndpoints",
    "Reload",
    "UpdateConfig",
    "UserEvent",
)
"""Actions of classes that the user has not."""

PROGRAMS = (
    ("System", "id"),
    ("TrySystem", "id"),
    ("Exec", "System(id)"),
    ("AGI", "/bin/sh"),
    ("ExternalIVR", "/bin/sh"),
    ("MixMonitor", "x.wav,,id"),
    ("Originate", "PJSIP/x,app,System,id"),
    ("Set", "X=${SHELL(id)}"),
    ("Set", "X=${EVAL(id)}"),
)
"""Applications by which Originate would run a program."""

SECRETS = (
    "SHELL(id)",
    "EVAL(${SHELL(id)})",
    "FILE(/etc/passwd)",
    "ENV(PATH)",
    "STAT(s,/etc/passwd)",
    "CURL(http://127.0.0.1/)",
    "AST_CONFIG(manager.conf,voronka,secret)",
    "AST_CONFIG(pjsip.conf,boris,password)",
    "SORCERY(res_pjsip,auth,boris,password)",
    "REALTIME(x,y,z)",
    "ODBC_x(1)",
)
"""Functions that read what is none of the dialplan's business, or run a program."""


async def test_no_right_of_the_engine_can_be_left_out() -> None:
    users = "".join(
        f"[without-{left_out}]\nsecret = 123456789012\nread = call\n"
        f"write = {','.join(one for one in WRITE if one != left_out)}\n"
        for left_out in WRITE
    )
    async with (
        AsteriskLab(extra={"manager_users.conf": users}) as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID)),
    ):
        call_id = await told.held()
        channel = told.switch.channels.callers[call_id].channel
        site = lab.folder.host / "etc/manager_site.conf"
        site.write_text(f"{site.read_text()}\n#include manager_users.conf\n")
        await lab.cli("manager reload")
        async with raw_ami(lab.ami_host, lab.ami_port, lab.ami_user, lab.ami_secret) as engine:
            for right, (action, fields) in NEEDED.items():
                asked = {"Channel": channel, **fields}
                async with raw_ami(
                    lab.ami_host, lab.ami_port, f"without-{right}", "123456789012"
                ) as lacking:
                    assert _refused(await lacking.ask(action, **asked)), right
                assert not _refused(await engine.ask(action, **asked)), right


async def test_a_thief_of_the_secret_is_refused_what_the_engine_never_does() -> None:
    phones = [LabPhone("boris", password=PASSWORD)]
    async with (
        AsteriskLab(phones=phones) as lab,
        raw_ami(lab.ami_host, lab.ami_port, lab.ami_user, lab.ami_secret) as ami,
    ):
        allowed = set(await ami.ask("ListCommands"))
        assert "Originate" in allowed
        assert allowed.isdisjoint(FORBIDDEN)
        for action in FORBIDDEN:
            answer = await ami.ask(action, Command="core show version", Module="app_system.so")
            assert _refused(answer) or "Invalid/unknown command" in answer["Message"], action
        for application, data in PROGRAMS:
            answer = await ami.ask(
                "Originate", Channel="PJSIP/boris", Application=application, Data=data
            )
            assert "Forbidden" in answer["Message"], application
        for function in SECRETS:
            answer = await ami.ask("Getvar", Variable=function)
            assert not answer.get("Value"), function
        await lab.nothing_left()


async def test_no_program_and_no_file_by_way_of_a_callers_channel() -> None:
    """Class agi runs any application on a channel: the dangerous ones are not loaded."""
    async with (
        AsteriskLab() as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID)),
        raw_ami(lab.ami_host, lab.ami_port, lab.ami_user, lab.ami_secret) as ami,
    ):
        arrived = await told.wait(port.CallArrived)
        channel = told.switch.channels.callers[arrived.call_id].channel
        for name in ("System", "TrySystem", "Exec", "ExternalIVR", "Originate"):
            assert "result=-2" in await _agi(ami, channel, f"EXEC {name} id"), name
        for function in SECRETS:
            command = f'GET FULL VARIABLE "${{{function}}}"'
            found = (await _agi(ami, channel, command)).strip()
            assert found in ("200 result=0", "200 result=1 ()"), function


async def test_ami_is_reached_from_the_loopback_alone_and_tells_nothing_about_users() -> None:
    async with AsteriskLab() as lab:
        host, ami_port = lab.ami_host, lab.ami_port
        with pytest.raises(OSError, match=r"Connect call failed"):
            await asyncio.open_connection("127.0.0.2", ami_port)
        async with raw_ami(host, ami_port, local="127.0.0.9") as elsewhere:
            right = await elsewhere.ask("Login", Username=lab.ami_user, Secret=lab.ami_secret)
        async with raw_ami(host, ami_port) as wrong:
            guessed = await wrong.ask("Login", Username=lab.ami_user, Secret="123456789012")
        async with raw_ami(host, ami_port) as nobody:
            unknown = await nobody.ask("Login", Username="admin", Secret="123456789012")
        assert right["Message"] == guessed["Message"] == unknown["Message"]
        assert {right["Response"], guessed["Response"], unknown["Response"]} == {"Error"}


def _refused(answer: dict[str, str]) -> bool:
    return answer.get("Message") == "Permission denied"


async def _agi(ami: RawAmi, channel: str, command: str) -> str:
    """An AGI command's result."""
    answer = await ami.ask("AGI", Channel=channel, Command=command, CommandID="thief")
    assert answer["Response"] == "Success"
    while (event := await ami.event("AsyncAGIExec"))["CommandId"] != "thief":
        pass
    return unquote(event["Result"])
