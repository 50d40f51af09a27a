"""Channels without a socket, and what they would send."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pbx.ami.actions import Fields, encode
from pbx.ami.protocol import Headers
from pbx.ami.translate import Channels, MessageFolder
from pbx.recordings.keeper import Keeper
from pbx.switch.port import PromptResolver, SwitchEvent

Sent = list[tuple[str, dict[str, str]]]


def channels_of(
    tell: Callable[[SwitchEvent], None],
    *,
    resolve: PromptResolver,
    messages: MessageFolder,
    addresses: Iterable[str],
) -> tuple[Channels, Sent]:
    """Channels whose actions are kept in a list (each went through the one gate)."""
    sent: Sent = []

    def act(
        name: str, fields: Fields, answered: Callable[[Headers | None], None] | None = None
    ) -> None:
        fields = tuple(fields)
        encode(name, fields)
        sent.append((name, dict(fields)))

    channels = Channels(
        act=act,
        tell=tell,
        resolve=resolve,
        messages=messages,
        recorder=Keeper(messages.here, messages.on_switch),
        addresses=frozenset(addresses),
    )
    return channels, sent
