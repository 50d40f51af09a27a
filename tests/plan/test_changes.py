"""What a plan would change, as the admin reads it before and after a reload."""

from __future__ import annotations

from pathlib import Path

from pbx.plan.changes import differences, render
from pbx.plan.load import Loaded, build, read
from routing.strategy import Registry

BEFORE = """
settings: {region: RU, time_zone: Europe/Moscow, languages: [ru]}
managers:
  anna: {name: Анна}
  boris: {name: Борис, skills: {german: 2}}
queues:
  sales: {members: [anna, boris], strategy: round-robin, ring_time: 20s}
  gone: {members: [anna], strategy: linear}
menus:
  welcome:
    menu: {ru: Здравствуйте}
    keys:
      1: {queue: sales}
      2: {menu: {ru: Дальше}, keys: {1: {queue: gone}}}
numbers:
  "+78005553535": {entry: welcome}
"""


def loaded(folder: Path, text: str) -> Loaded:
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return build(read(path), registry=Registry.builtin())


def test_each_change_names_its_keys_with_old_and_new(tmp_path: Path) -> None:
    after = (
        BEFORE.replace("[anna, boris]", "[boris, vera]")
        .replace("ring_time: 20s", "max_wait: 2m")
        .replace("  anna: {name: Анна}", "  anna: {name: Анна}\n  vera: {name: Вера}")
        .replace("german: 2", "german: 3")
        .replace("  gone: {members: [anna], strategy: linear}\n", "")
        .replace("{1: {queue: gone}}", "{1: {queue: sales, priority: 5}, 2: hangup}")
        .replace("languages: [ru]", "languages: [ru, en]")
        .replace("+78005553535", "+78005553536")
    )
    changes = differences(loaded(tmp_path, BEFORE), loaded(tmp_path, after))

    assert render(changes) == "\n".join(
        (
            "~ settings",
            "    languages: + en",
            "- number +78005553535",
            "+ number +78005553536",
            "~ manager boris",
            "    skills.german: 2 -> 3",
            "+ manager vera",
            "- queue gone",
            "~ queue sales",
            "    members: - anna, + vera",
            "    ring_time: 20s -> none",
            "    max_wait: none -> 2m",
            "~ menu welcome",
            "    keys.2.keys.1.queue: gone -> sales",
            "    keys.2.keys.1.priority: 0 -> 5",
            "    keys.2.keys.2: none -> hangup",
            "2 added, 2 removed, 4 altered",
        )
    )


def test_the_same_meaning_in_other_words_is_no_change(tmp_path: Path) -> None:
    after = BEFORE.replace("20s", "20").replace("name: Анна", "name: Анна, on_duty: true")

    changes = differences(loaded(tmp_path, BEFORE), loaded(tmp_path, after))

    assert render(changes) == "nothing changed"
