"""What the CRM of a trial says of the caller: as keys in a test, as words on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from pbx.engine.virtual import Reply
from pbx.lookup.port import MOST_LIMIT_S, Failed, Known, Result
from pbx.plan import written
from pbx.plan.faults import did_you_mean, known_names, quoted
from pbx.plan.source import Node, Scalar
from pbx.plan.written import Wrong
from pbx.simulate.read import Section, one_of

_FAILURES = {
    "late": Reply(Known(), MOST_LIMIT_S + 1.0),
    "broken": Reply(Failed(Result.BROKEN, "status 500")),
}
_SAYS = ("manager", "vip", "name", "language", "after")
_YES = {"true": True, "yes": True, "false": False, "no": False}


def given(section: Section, node: Node, managers: Iterable[str]) -> Reply:
    """``late``, ``broken``, or keys: manager, vip, name, language, after."""
    if isinstance(node, Scalar):
        return section.scalar(node, "lookup", _failure, Reply(Known()))
    keys = section.section("lookup")
    assert keys is not None, "the node stands under this key"
    known = Known(
        manager=keys.value("manager", one_of("manager", managers), ""),
        vip=keys.value("vip", _flag, False),
        name=keys.value("name", str, ""),
        language=keys.value("language", str, ""),
    )
    after_s = keys.value("after", written.duration, Reply(known).after_s)
    keys.done()
    return Reply(known, after_s)


def in_words(text: str, managers: Iterable[str]) -> Reply:
    """``manager=ivanov,vip=yes,language=en``, ``late`` or ``broken``.  Raises Wrong."""
    if "=" not in text:
        return _failure(text)
    said = {}
    for part in text.split(","):
        key, _, value = (one.strip() for one in part.partition("="))
        if key not in _SAYS:
            hint = did_you_mean(key, _SAYS)
            raise Wrong(f"a CRM does not say {quoted(key)}", hint, known_names(_SAYS))
        said[key] = value
    manager = said.get("manager", "")
    known = Known(
        manager=one_of("manager", managers)(manager) if manager else "",
        vip=_flag(said.get("vip", "no")),
        name=said.get("name", ""),
        language=said.get("language", ""),
    )
    after = said.get("after")
    return Reply(known) if after is None else Reply(known, written.duration(after))


def _failure(text: str) -> Reply:
    reply = _FAILURES.get(text)
    if reply is None:
        hint = did_you_mean(text, _FAILURES)
        raise Wrong(f"{quoted(text)} is nothing that a CRM says", hint, ("or late, or broken",))
    return reply


def _flag(text: str) -> bool:
    if text not in _YES:
        raise Wrong(f"{quoted(text)} is neither yes nor no", "write yes or no")
    return _YES[text]
