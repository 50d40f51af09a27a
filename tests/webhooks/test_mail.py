"""Mail against a real SMTP server on loopback: one that takes all, and worse ones."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from pbx.errors import SettingsError
from pbx.webhooks.mail import Mail
from pbx.webhooks.mail_target import MailTarget
from pbx.webhooks.outbox import Message
from pbx.webhooks.sending import NotDelivered
from pbx.webhooks.targets import read_targets
from tests.missed.day import BEGAN
from tests.webhooks.post_office import Certificate, post_office

FILE = """\
targets:
  office:
    smtp: 127.0.0.1:{port}
    tls: none
    from: pbx@example.org
    to: [one@example.org, two@example.org]
    boxes: {{vip: boss@example.org}}
    events: all
    audio_kb: 1
    time_zone: Europe/Moscow
"""


def target(folder: Path, port: int = 25, text: str = FILE) -> MailTarget:
    file = folder / "targets.yaml"
    file.write_text(text.format(port=port), encoding="utf-8")
    (made,) = read_targets(file, folder)
    assert isinstance(made, MailTarget)
    return made


def left(folder: Path, **more: object) -> Message:
    (folder / "1.wav").write_bytes(b"RIFF")
    data = {
        "call_id": "1795463763.12",
        "did": "+78005553535",
        "number": "+79161234567",
        "name": "Иван",
        "language": "ru",
        "box": "sales",
        "path": str(folder / "1.wav"),
        "length_s": 72.5,
    }
    whole = {"type": "voicemail.left", "timestamp": BEGAN, "data": data | more}
    return Message("msg_1", "voicemail.left", BEGAN, orjson.dumps(whole).decode(), 0)


async def test_a_voicemail_comes_with_its_sound_in_the_language_of_the_call(tmp_path: Path) -> None:
    async with post_office("250 OK") as office, Mail(target(tmp_path, office.port)) as mail:
        assert await mail.send(left(tmp_path)) == 250
        await mail.send(left(tmp_path, language="en", box="vip", number="", name=""))

    came = office.mail(0)
    assert office.envelopes[0].rcpt_tos == ["one@example.org", "two@example.org"]
    assert came["Subject"] == "Голосовое сообщение: Иван, +79161234567, 1:12"
    assert came["Message-ID"] == "<msg_1@example.org>"
    body = came.get_body()
    assert body is not None
    assert "Когда: 23.11.2026 12:00:00 (Europe/Moscow)" in body.get_content()
    (sound,) = came.iter_attachments()
    assert (sound.get_content(), sound.get_content_type()) == (b"RIFF", "audio/wav")
    assert office.envelopes[1].rcpt_tos == ["boss@example.org"]
    assert office.mail(1)["Subject"] == "Voicemail: number withheld, 1:12"


@pytest.mark.parametrize("name", ["a\r\nBcc: x@y.z\r\n\r\nb", "\u2028\x00\x85Bcc: x", "Ж" * 3000])
async def test_no_name_is_a_header(tmp_path: Path, name: str) -> None:
    async with post_office("250 OK") as office, Mail(target(tmp_path, office.port)) as mail:
        await mail.send(left(tmp_path, name=name, call_id="1/..\r\nX: y"))

    came = office.mail()
    assert came["Bcc"] is None
    assert came["X"] is None
    assert len(came["Subject"]) < 300
    assert [one.get_content() for one in came.iter_attachments()] == [b"RIFF"]


@pytest.mark.parametrize(
    ("answer", "refused"), [("451 later", False), ("552 too large", True), ("", False)]
)
async def test_what_the_server_does_not_take_is_not_delivered(
    tmp_path: Path, answer: str, refused: bool
) -> None:
    async with (
        post_office(answer, "250 OK") as office,
        Mail(target(tmp_path, office.port), answer_s=0.5) as mail,
    ):
        with pytest.raises(NotDelivered) as raised:
            await mail.send(left(tmp_path))
        assert raised.value.refused is refused
        assert await mail.send(left(tmp_path)) == 250


async def test_who_had_a_mail_does_not_get_it_again_for_another_s_sake(tmp_path: Path) -> None:
    answers = {"two@example.org": "450 greylisted"}
    async with (
        post_office("250 OK", recipients=answers) as office,
        Mail(target(tmp_path, office.port)) as mail,
    ):
        with pytest.raises(NotDelivered, match="1 of 2 recipients"):
            await mail.send(left(tmp_path))
        answers.clear()
        await mail.send(left(tmp_path))

    assert [one.rcpt_tos for one in office.envelopes] == [["one@example.org"], ["two@example.org"]]


async def test_no_server_and_one_without_starttls_get_nothing(tmp_path: Path) -> None:
    async with post_office("250 OK") as office:
        strict = target(tmp_path, office.port, FILE.replace("tls: none", "tls: starttls"))
        async with Mail(strict) as mail:
            with pytest.raises(NotDelivered, match="STARTTLS"):
                await mail.send(left(tmp_path))
    assert not office.envelopes
    async with Mail(target(tmp_path, office.port)) as mail:
        with pytest.raises(NotDelivered) as raised:
            await mail.send(left(tmp_path))
    assert not raised.value.refused


SAFE = """\
targets:
  office:
    smtp: 127.0.0.1:{port}
    tls: %s
    ca_file: ca.pem
    user: pbx
    password_file: password
    from: pbx@example.org
    to: one@example.org
    events: all
"""


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_mail_goes_over_tls_with_a_login(tmp_path: Path, tls: str) -> None:
    paper = Certificate.made_in(tmp_path)
    (tmp_path / "password").write_text("geheim-Пароль\n")
    async with post_office(
        "250 OK", tls=tls, certificate=paper, login=("pbx", "geheim-Пароль")
    ) as office:
        async with Mail(target(tmp_path, office.port, SAFE % tls)) as mail:
            assert await mail.send(left(tmp_path)) == 250
        assert len(office.envelopes) == 1

        (tmp_path / "password").write_text("another")
        async with Mail(target(tmp_path, office.port, SAFE % tls)) as mail:
            with pytest.raises(NotDelivered, match=r"^login refused, status 535$") as raised:
                await mail.send(left(tmp_path))
        # Whose password is changed one day: the mail waits for it.
        assert not raised.value.refused


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_server_whose_certificate_is_another_s_gets_no_password(
    tmp_path: Path, tls: str
) -> None:
    (tmp_path / "password").write_text("geheim")
    (tmp_path / "other").mkdir()
    Certificate.made_in(tmp_path)
    paper = Certificate.made_in(tmp_path / "other")
    async with (
        post_office("250 OK", tls=tls, certificate=paper, login=("pbx", "geheim")) as office,
        Mail(target(tmp_path, office.port, SAFE % tls)) as mail,
    ):
        with pytest.raises(NotDelivered, match=r"(?i)certificate") as raised:
            await mail.send(left(tmp_path))
    assert "geheim" not in str(raised.value)
    assert (office.logins, office.envelopes) == ([], [])


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("127.0.0.1:{port}", "mail.example.org", "tls: none to another machine"),
        ("127.0.0.1:{port}", "a b", "expected a server"),
        ("pbx@example.org", '"a@b.c\\r\\nBcc: x@y.z"', "expected an address"),
        ("boss@example.org", "boss", "expected an address"),
        ("events: all", "events: [call.ended]", 'unknown event "call.ended"'),
        ("Europe/Moscow", "Mars/Base", "is no time zone"),
        ("tls: none", "user: pbx\n    tls: none", "password_file is missing"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, wrong: str, right: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=r"targets\.yaml:[0-9]+") as raised:
        target(tmp_path, text=FILE.replace(wrong, right))
    assert words in str(raised.value)
