"""What a waiting caller is told in numbers, as whole sentences: the place, and the time to wait.

Sentences, not words put together: each has its right case, gender and plural form, and sounds as
one.  There are few of them, because places above ``MAX_POSITION`` and long waits are told roundly.
They are prompts like all others: spoken once, kept, and replaced by recordings of their names
(``position.3``, ``estimate.2``).
"""

from __future__ import annotations

import math

from ivr.nodes import Prompt, PromptKind
from routing.values import Seconds

LANGUAGES = ("ru", "en")
"""The languages these sentences are in."""
MAX_POSITION = 20
"""The last place that is told; further behind the caller hears that it is far."""
MINUTES = (*range(1, 11), 15, 20, 25, 30, 40, 50)
"""The waits that are told, minutes: to the nearest up to ten, then the next higher."""

_FIRST_RU = (
    *("первый", "второй", "третий", "четвёртый", "пятый", "шестой", "седьмой", "восьмой"),
    *("девятый", "десятый", "одиннадцатый", "двенадцатый", "тринадцатый", "четырнадцатый"),
    *("пятнадцатый", "шестнадцатый", "семнадцатый", "восемнадцатый", "девятнадцатый", "двадцатый"),
)
_FIRST_EN = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
    *("seventeenth", "eighteenth", "nineteenth", "twentieth"),
)
# After "Ожидание: примерно" in the nominative; a minute is feminine: одна, две.
_COUNT_RU = {
    **{1: "одна", 2: "две", 3: "три", 4: "четыре", 5: "пять", 6: "шесть", 7: "семь", 8: "восемь"},
    **{9: "девять", 10: "десять", 15: "пятнадцать", 20: "двадцать", 25: "двадцать пять"},
    **{30: "тридцать", 40: "сорок", 50: "пятьдесят"},
}
_COUNT_EN = {
    **{1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"},
    **{9: "nine", 10: "ten", 15: "fifteen", 20: "twenty", 25: "twenty-five", 30: "thirty"},
    **{40: "forty", 50: "fifty"},
}


def plural_ru(count: int, one: str, few: str, many: str) -> str:
    """The form of a Russian noun after a number: минута, минуты, минут."""
    if count % 100 in range(11, 15):
        return many
    if count % 10 == 1:
        return one
    return few if count % 10 in (2, 3, 4) else many


def position(number: int) -> Prompt:
    """«Вы третий в очереди»; ``number`` 1 is next."""
    if number > MAX_POSITION:
        far = {
            "ru": "Перед вами в очереди больше двадцати человек.",
            "en": "There are more than twenty callers before you.",
        }
        return Prompt(PromptKind.TEXT, "position.far", far)
    number = max(number, 1)
    text = {
        "ru": f"Вы {_FIRST_RU[number - 1]} в очереди.",
        "en": f"You are {_FIRST_EN[number - 1]} in line.",
    }
    return Prompt(PromptKind.TEXT, f"position.{number}", text)


def estimate(seconds: Seconds) -> Prompt:
    """«Ожидание: примерно две минуты»."""
    if seconds < 60:
        short = {"ru": "Ожидание: меньше минуты.", "en": "The wait is less than a minute."}
        return Prompt(PromptKind.TEXT, "estimate.short", short)
    nearest = math.ceil(min(seconds, 86_400) / 60 - 0.5)
    minutes = next((one for one in MINUTES if one >= nearest), None)
    if minutes is None:
        long = {"ru": "Ожидание: около часа или больше.", "en": "The wait is an hour or more."}
        return Prompt(PromptKind.TEXT, "estimate.long", long)
    return _minutes(minutes)


def _minutes(minutes: int) -> Prompt:
    form = plural_ru(minutes, "минута", "минуты", "минут")
    text = {
        "ru": f"Ожидание: примерно {_COUNT_RU[minutes]} {form}.",
        "en": f"The wait is about {_COUNT_EN[minutes]} {'minute' if minutes == 1 else 'minutes'}.",
    }
    return Prompt(PromptKind.TEXT, f"estimate.{minutes}", text)


_DIGITS = (
    *(("ноль", "zero"), ("один", "one"), ("два", "two"), ("три", "three"), ("четыре", "four")),
    *(("пять", "five"), ("шесть", "six"), ("семь", "seven"), ("восемь", "eight")),
    ("девять", "nine"),
)
CALLBACK_AT = Prompt(
    PromptKind.TEXT,
    "callback.at",
    {"ru": "Мы перезвоним вам на номер:", "en": "We will call you back at:"},
)
CALLBACK_CONFIRM = Prompt(
    PromptKind.TEXT,
    "callback.confirm",
    {
        "ru": "Если номер верный, нажмите один. Чтобы ввести другой, нажмите два.",
        "en": "If this is right, press one. To enter another number, press two.",
    },
)
CALLBACK_ENTER = Prompt(
    PromptKind.TEXT,
    "callback.enter",
    {
        "ru": "Введите номер телефона, на который вам перезвонить, и нажмите решётку.",
        "en": "Enter the number that we shall call, then press hash.",
    },
)
CALLBACK_REFUSED = Prompt(
    PromptKind.TEXT,
    "callback.refused",
    {"ru": "На этот номер мы позвонить не можем.", "en": "We can't call this number."},
)
CALLBACK_WAITING = Prompt(
    PromptKind.TEXT,
    "callback.waiting",
    {
        "ru": "Ваш звонок уже записан, место в очереди за вами.",
        "en": "You are down for a callback already, and keep your place in line.",
    },
)
CALLBACK_GREETING = Prompt(
    PromptKind.TEXT,
    "callback.greeting",
    {"ru": "Обратный звонок. Номер:", "en": "Callback. Number:"},
)
"""What a manager hears who picks up for a callback; the client's number follows."""


def digits(number: str) -> tuple[Prompt, ...]:
    """A number's digits, one by one; other signs are left out."""
    return tuple(_digit(int(sign)) for sign in number if sign.isascii() and sign.isdigit())


def _digit(value: int) -> Prompt:
    ru, en = _DIGITS[value]
    return Prompt(PromptKind.TEXT, f"digit.{value}", {"ru": ru, "en": en})


def callbacks() -> tuple[Prompt, ...]:
    """All that is said about callbacks."""
    questions = (CALLBACK_AT, CALLBACK_CONFIRM, CALLBACK_ENTER, CALLBACK_REFUSED, CALLBACK_WAITING)
    return (*digits("0123456789"), *questions, CALLBACK_GREETING)


def positions() -> tuple[Prompt, ...]:
    """All sentences of ``position``."""
    return tuple(position(number) for number in range(1, MAX_POSITION + 2))


def estimates() -> tuple[Prompt, ...]:
    """All sentences of ``estimate``."""
    return (estimate(0), *map(_minutes, MINUTES), estimate(3600))
