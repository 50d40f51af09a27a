"""A large plan: how long it takes to load and check.

A company of 1,000 numbers, 500 managers and 200 menus, written as YAML files and read by the very
loader of the engine.  ``python -m bench.plan`` prints the table.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from pbx.plan.load import load
from pbx.plan.prompts import missing

NUMBERS, MANAGERS, MENUS = 1_000, 500, 200
RUNS = 7
_DEPARTMENTS = (
    ("sales", "Отдел продаж"),
    ("support", "Поддержка"),
    ("accounting", "Бухгалтерия"),
    ("delivery", "Доставка"),
    ("warranty", "Гарантия"),
)
_NAMES = ("Иван Иванов", "Мария Петрова", "Пётр Сидоров", "Ольга Кузнецова", "Елена Волкова")


def write(folder: Path, *, numbers: int, managers: int, menus: int) -> None:
    """A company's plan of this size, as files in ``folder``.

    Every tenth menu is what a number's callers hear first; the nine after it lie below.
    """
    parts = {
        "settings": _settings(),
        "numbers": _numbers(numbers, menus),
        "managers": _managers(managers),
        "queues": _queues(menus),
        "menus": _menus(menus),
        "prompts": _prompts(menus),
    }
    for name, lines in parts.items():
        text = "\n".join((f"{name}:", *lines)) + "\n"
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def _settings() -> list[str]:
    return [
        "  region: RU",
        "  time_zone: Europe/Moscow",
        "  languages: [ru, en]",
        "  trunk: PJSIP/{number}@trunk",
        '  outside: ["+7916"]',
        "  outside_per_hour: 300",
    ]


def _numbers(count: int, menus: int) -> list[str]:
    lines = []
    for n in range(count):
        lines += [
            f"  +7495{1000000 + n}:",
            f"    title: Номер {n}",
            f"    source: advertisement-{n % 40}",
            f"    entry: menu-{n % _roots(menus) * 10}",
            "    lines: 10",
            f"    above: {{callback: queue-{n % _queue_count(menus)}, say: busy}}",
        ]
    return lines


def _managers(count: int) -> list[str]:
    lines = []
    for n in range(count):
        department, title = _DEPARTMENTS[n % len(_DEPARTMENTS)]
        lines += [
            f"  m{n}:",
            f"    name: {_NAMES[n % len(_NAMES)]} {n}",
            f"    department: {title}",
            f"    extension: {1000 + n}",
            f"    skills: {{{department}: {1 + n % 5}, english: {1 + n % 3}}}",
            "    devices:",
            f"      - phone: m{n}",
            f'      - {{mobile: "+7916{1000000 + n}", delay: 8s, ring_time: 12s}}',
        ]
    return lines


def _queues(menus: int) -> list[str]:
    lines = []
    for n in range(_queue_count(menus)):
        _, title = _DEPARTMENTS[n % len(_DEPARTMENTS)]
        lines += [
            f"  queue-{n}:",
            f"    title: {title} {n}",
            f"    members: {{department: {title}}}",
            "    strategy: {name: skill-priority, widen_after: 5s}",
            "    max_wait: 3m",
            "    announce: {first: 10s, every: 40s}",
            f"    on_overflow: {{voicemail: box-{n}, say: leave-message}}",
        ]
    return lines


def _menus(count: int) -> list[str]:
    lines = []
    queues = _queue_count(count)
    for n in range(count):
        root = n - n % 10
        below = [one for one in (2 * (n - root) + 1, 2 * (n - root) + 2) if one < 10]
        below = [root + one for one in below if root + one < count]
        lines += [f"  menu-{n}:", f"    menu: prompt-{n}", "    keys:"]
        lines += [f"      {key}: menu-{target}" for key, target in enumerate(below, 1)]
        lines += [
            f"      4: {{queue: queue-{n % queues}}}",
            f"      5: [play: busy, {{queue: queue-{(n + 1) % queues}, priority: 5}}]",
            "      6:",
            f"        menu: prompt-{n}",
            "        keys:",
            f"          1: {{callback: queue-{n % queues}, say: busy}}",
            f"          2: {{voicemail: box-{n % queues}, say: leave-message}}",
            '          "*": back',
            "      9: repeat",
            '      "#": main',
            "    say_invalid: no-such-key",
            f"    on_timeout: {{queue: queue-{n % queues}}}",
        ]
    return lines


def _prompts(menus: int) -> list[str]:
    named = ["busy", "leave-message", "no-such-key", *(f"prompt-{n}" for n in range(menus))]
    lines = []
    for name in named:
        lines += [f"  {name}:", "    ru: Здравствуйте, нажмите один.", "    en: Hello, press one."]
    return lines


def _roots(menus: int) -> int:
    return max(1, menus // 10)


def _queue_count(menus: int) -> int:
    return max(2, menus // 10)


def measure() -> list[tuple[float, float]]:
    """(load, check of the prompts) of each run, seconds; the first is with cold caches."""
    taken = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, numbers=NUMBERS, managers=MANAGERS, menus=MENUS)
        for _ in range(RUNS):
            began = time.process_time()
            plan = load(folder)
            loaded = time.process_time()
            missing(plan)
            taken.append((loaded - began, time.process_time() - loaded))
    return taken


def table() -> str:
    """Markdown."""
    taken = measure()
    first = taken[0]
    load_s = statistics.median(one[0] for one in taken[1:])
    check_s = statistics.median(one[1] for one in taken[1:])
    return "\n".join(
        (
            f"| {NUMBERS:,} numbers, {MANAGERS} managers, {MENUS} menus | load, s | prompts, s | "
            "both, s |",
            "|---|---|---|---|",
            f"| first in the process | {first[0]:.2f} | {first[1]:.2f} | {sum(first):.2f} |",
            f"| again (median of {RUNS - 1}) | {load_s:.2f} | {check_s:.2f} | "
            f"{load_s + check_s:.2f} |",
        )
    )


if __name__ == "__main__":
    print(table())
