"""Numbers the company advertises: normalised, each known once, each with its way in."""

from __future__ import annotations

import re
from dataclasses import replace

from pbx.plan.context import Context
from pbx.plan.faults import quoted
from pbx.plan.model import Number, Vip
from pbx.plan.outside_numbers import e164, national
from pbx.plan.resolve_recording import recording
from pbx.plan.resolve_tree import TreeBuilder
from pbx.plan.resolve_waiting import music_class
from pbx.plan.schema import NumberShape
from pbx.plan.written import Wrong

_SPELLING = re.compile(r"[+0-9A-Za-z_.*#-]{1,64}")


def numbers(context: Context, tree: TreeBuilder) -> dict[str, Number]:
    """All numbers by E.164."""
    taken: dict[str, str] = {}
    found: dict[str, tuple[str, NumberShape]] = {}
    for text, shape in context.shape.numbers.items():
        path = ("numbers", text)
        try:
            did = e164(text, context.shape.settings.region)
        except Wrong as error:
            mark = context.key_mark(path)
            context.names.add(mark.fault(error.message, error.hint, error.notes))
            continue
        if _take(context, taken, path, did):
            found[did] = (text, shape)
    result = {}
    for did, (text, shape) in found.items():
        also = _also(context, taken, text, shape)
        result[did] = _number(context, tree, did, text, shape, also)
    _add_usual_spellings(result, taken)
    return result


def vips(context: Context) -> Vip:
    """Callers of importance."""
    shape = context.shape.settings.vip
    if shape is None:
        return Vip()
    found = set()
    for index, text in enumerate(shape.numbers):
        try:
            found.add(e164(text, context.shape.settings.region))
        except Wrong as error:
            context.wrong_name(("settings", "vip", "numbers", index), error)
    # A priority alone is for those whom a CRM names.
    if not shape.numbers and not shape.prefixes and "priority" not in shape.model_fields_set:
        context.warn(("settings", "vip"), "names nobody")
    return Vip(frozenset(found), tuple(shape.prefixes), shape.priority)


def _take(context: Context, taken: dict[str, str], path: tuple[str | int, ...], name: str) -> bool:
    """Note a spelling; False when another number has it."""
    if name in taken:
        place = context.key_mark(("numbers", taken[name]))
        context.wrong_key(path, f"{name} is this plan's number already", "", f"first: {place}")
        return False
    taken[name] = str(path[1])
    return True


def _also(
    context: Context, taken: dict[str, str], text: str, shape: NumberShape
) -> tuple[str, ...]:
    spellings = []
    for index, spelling in enumerate(shape.also):
        path = ("numbers", text, "also", index)
        if not _SPELLING.fullmatch(spelling):
            context.wrong(path, f"{quoted(spelling)} can't come from a trunk", "digits, no spaces")
        elif spelling in taken and taken[spelling] != text:
            place = context.key_mark(("numbers", taken[spelling]))
            context.wrong(
                path, f"{quoted(spelling)} belongs to another number", "", (f"first: {place}",)
            )
        else:
            taken[spelling] = text
            spellings.append(spelling)
    return tuple(dict.fromkeys(spellings))


def _number(
    context: Context,
    tree: TreeBuilder,
    did: str,
    text: str,
    shape: NumberShape,
    also: tuple[str, ...],
) -> Number:
    settings = context.shape.settings
    path = ("numbers", text)
    language = shape.language or settings.languages[0]
    if language not in settings.languages:
        context.unknown((*path, "language"), "language", language, settings.languages)
    above = None
    if shape.above is not None:
        above = tree.step(shape.above, (*path, "above"), f"{did}/above")
    if shape.lines is not None and above is None:
        context.wrong_key(
            (*path, "lines"), '"above" is missing', "say where a call above the lines goes"
        )
    if shape.lines is None and above is not None:
        context.wrong_key((*path, "above"), '"lines" is missing', "say how many calls fit at once")
    tree.paths[f"number={did}"] = path
    return Number(
        did=did,
        entry=tree.step(shape.entry, (*path, "entry"), did),
        language=language,
        source=shape.source,
        also=also,
        lines=shape.lines,
        above=above,
        title=shape.title,
        priority=shape.priority,
        music=None if shape.music is None else music_class(shape.music),
        record=recording(tree.prompts, path, did, shape.record),
    )


def _add_usual_spellings(result: dict[str, Number], taken: dict[str, str]) -> None:
    """Add what trunks usually send, where it is not another number's."""
    owners: dict[str, set[str]] = {}
    for did in result:
        for spelling in national(did):
            owners.setdefault(spelling, set()).add(did)
    for did, number in list(result.items()):
        usual = [
            spelling
            for spelling in national(did)
            if owners[spelling] == {did} and spelling not in taken
        ]
        if usual:
            result[did] = replace(number, also=tuple(dict.fromkeys((*number.also, *usual))))
