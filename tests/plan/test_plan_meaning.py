"""What the words of a plan come to in the engine."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ivr import nodes, phrases
from ivr.checks import loops_without_input
from ivr.schedule import ScheduleState
from pbx.plan.faults import PlanError
from pbx.plan.load import load
from pbx.plan.model import Plan, Spoken
from pbx.plan.prompts import missing
from pbx.plan.public_holidays import PublicHolidays
from routing.strategy import Registry
from routing.values import AgentId, QueueId, SkillNeed

ROOT = Path(__file__).parent.parent.parent
STRATEGIES = Registry.builtin()
HEAD = "settings: {region: RU, time_zone: Europe/Moscow, languages: [ru, en]}\n"


@pytest.fixture(scope="module")
def everything() -> Plan:
    return load(ROOT / "tests/plans/good/everything.yaml", registry=STRATEGIES)


@pytest.fixture(scope="module")
def shipped() -> Plan:
    return load(ROOT / "config", registry=STRATEGIES)


def loaded(tmp_path: Path, text: str) -> Plan:
    file = tmp_path / "plan.yaml"
    file.write_text(HEAD + text, encoding="utf-8")
    return load(file, registry=STRATEGIES)


def test_the_shipped_plan_has_no_mistake_no_warning_and_no_silent_prompt(shipped: Plan) -> None:
    assert shipped.warnings == ()
    texts = [one for one in missing(shipped) if "installed" not in one.why]
    assert texts == []


def test_the_shipped_plan_shows_what_the_product_can(shipped: Plan) -> None:
    assert len(shipped.numbers) == 3
    assert "+78005553535" in shipped.numbers
    assert len(shipped.routing.agents) == 8
    strategies = {queue.strategy.name for queue in shipped.routing.queues.values()}
    assert {"ring-all", "round-robin", "skill-priority", "sticky-to-last-manager"} <= strategies
    kinds = {type(node) for node in shipped.tree.values()}
    assert {nodes.Menu, nodes.Hours, nodes.Voicemail, nodes.AskCallback, nodes.DialAgent} <= kinds
    assert loops_without_input(shipped.tree) == []


def test_the_shipped_free_line_asks_no_schedule(shipped: Plan) -> None:
    entry = shipped.tree[shipped.numbers["+78005553535"].entry]
    assert isinstance(entry, nodes.Menu)
    assert not any(isinstance(shipped.tree.get(one), nodes.Hours) for one in entry.keys.values())


def test_numbers_are_known_as_trunks_write_them(everything: Plan) -> None:
    free = everything.numbers["+78005553535"]
    assert free.also == ("trunk-7", "5553535", "78005553535", "88005553535")
    assert (free.language, free.lines, free.source, free.title) == ("en", 2, "site", "Free line")
    above = everything.tree[free.above or ""]
    assert isinstance(above, nodes.Play)
    assert isinstance(everything.tree[above.next], nodes.AskCallback)


def test_devices_become_dial_strings(everything: Plan) -> None:
    devices = everything.routing.agents[AgentId("ivanov")].devices
    assert [(one.device_id, one.address, one.delay_s, one.ring_time_s) for one in devices] == [
        ("ivanov/1", "PJSIP/ivanov", 0, 12),
        ("ivanov/2", "PJSIP/+79161234567@trunk", 5, 10),
        ("ivanov/3", "PJSIP/+74951112233@trunk", 0.5, 12),
        ("ivanov/4", "PJSIP/outbound/sips:ivan@example.org:5061;transport=tls", 60, 12),
    ]


def test_devices_one_after_another_wait_for_each_other(everything: Plan) -> None:
    devices = everything.routing.agents[AgentId("petrova")].devices
    assert [one.delay_s for one in devices] == [0, 14]


def test_a_manager_without_devices_has_a_phone_of_their_name(tmp_path: Path) -> None:
    plan = loaded(
        tmp_path,
        "numbers: {+78005553535: {entry: {dial: anna}}}\nmanagers: {anna: {name: Anna}}\n",
    )
    (device,) = plan.routing.agents[AgentId("anna")].devices
    assert device.address == "PJSIP/anna"


def test_defaults_of_the_settings_hold_until_a_manager_says_otherwise(everything: Plan) -> None:
    ivanov, sidorov = (everything.routing.agents[AgentId(one)] for one in ("ivanov", "sidorov"))
    assert (ivanov.wrap_up_s, ivanov.pause_after_no_answers, ivanov.calls_at_once) == (0, 0, 3)
    assert (sidorov.wrap_up_s, sidorov.pause_after_no_answers, sidorov.calls_at_once) == (90, 2, 1)
    assert everything.on_duty == {"petrova", "sidorov"}


def test_members_come_in_the_order_they_are_named_each_once(everything: Plan) -> None:
    queue = everything.routing.queues[QueueId("sales")]
    assert queue.members == ("ivanov", "petrova")
    assert queue.weights == {"ivanov": 70, "petrova": 30}


def test_a_strategy_has_its_parameters_and_its_fallback(everything: Plan) -> None:
    strategy = everything.routing.queues[QueueId("sales")].strategy
    assert strategy.name == "sticky-to-last-manager"
    assert strategy.params == {"within_s": 7 * 86400, "wait_s": 20}
    assert strategy.fallback is not None
    assert strategy.fallback.name == "weighted"
    support = everything.routing.queues[QueueId("support")].strategy
    assert support.params == {"widen_after_s": (10, 20)}


def test_an_offer_rings_until_the_last_device_has_rung(everything: Plan, shipped: Plan) -> None:
    assert everything.routing.queues[QueueId("support")].ring_time_s == 72
    assert shipped.routing.queues[QueueId("sales")].ring_time_s == 20


def test_music_can_be_silence_or_ringing(everything: Plan) -> None:
    sounds = everything.queue_sounds
    assert sounds[QueueId("sales")].music == ""
    assert sounds[QueueId("support")].music == "ringing"
    assert everything.default_music == "jazz"


def test_extensions_lead_to_managers_and_queues(everything: Plan) -> None:
    assert everything.extensions == {"0101": "ivanov", "103": "sidorov"}
    assert everything.queue_extensions == {"801": "sales"}


def test_words_in_a_menus_keys_are_ways_within_the_menu(everything: Plan) -> None:
    menu = everything.tree["welcome/9"]
    assert isinstance(menu, nodes.Menu)
    assert menu.keys == {"1": nodes.REPEAT, "*": nodes.BACK, "#": nodes.MAIN}


def test_a_menus_times_and_tries_are_kept(everything: Plan) -> None:
    menu = everything.tree["welcome"]
    assert isinstance(menu, nodes.Menu)
    assert (menu.timeout_s, menu.inter_digit_s, menu.retries, menu.barge_in) == (7, 1.5, 0, False)
    assert len(menu.prompts) == 4
    assert menu.on_timeout == "number"
    assert isinstance(everything.tree[menu.on_invalid], nodes.Goto)


def test_a_queues_own_ways_hold_until_a_step_gives_others(everything: Plan) -> None:
    hours = everything.tree["welcome/1"]
    assert isinstance(hours, nodes.Hours)
    assert (hours.closed, hours.on_holiday) == ("queue=sales/closed", "queue=sales/closed")
    plain = everything.tree[hours.open]
    assert isinstance(plain, nodes.ToQueue)
    assert plain.on_overflow == "queue=sales/overflow"
    assert set(plain.overflow) == {"max_wait", "queue_full", "no_agents"}
    own_hours = everything.tree["welcome/3"]
    assert isinstance(own_hours, nodes.Hours)
    assert own_hours.closed == "welcome/3/closed"
    own = everything.tree[own_hours.open]
    assert isinstance(own, nodes.ToQueue)
    assert own.on_overflow == "queue=sales/overflow"
    assert own.overflow["max_wait"] == "closed"
    replaced = everything.tree["welcome/12"]
    assert isinstance(replaced, nodes.ToQueue)
    assert (replaced.on_overflow, replaced.overflow) == ("hangup", {})
    assert replaced.needs == (SkillNeed("german", 2),)
    assert replaced.priority == 100
    assert replaced.after_talk == "survey"


def test_a_list_of_steps_is_taken_one_after_another(everything: Plan) -> None:
    first = everything.tree["night/open"]
    assert isinstance(first, nodes.SetVariable)
    assert (first.variable, first.value) == ("who", "night")
    second = everything.tree[first.next]
    assert isinstance(second, nodes.SetVariable)
    assert second.variable == "greeting"
    third = everything.tree[second.next]
    assert isinstance(third, nodes.NeedSkill)
    fourth = everything.tree[third.next]
    assert isinstance(fourth, nodes.NeedSkill)
    branch = everything.tree[fourth.next]
    assert isinstance(branch, nodes.Branch)
    assert branch.cases == {"night": "night/open.3/=night", "Ёлка": "closed"}


def test_ways_not_given_go_where_otherwise_leads(everything: Plan) -> None:
    dial = everything.tree["welcome/5"]
    assert isinstance(dial, nodes.DialAgent)
    assert dial.on_busy == dial.on_no_answer == dial.on_unknown == "welcome/5/otherwise"
    assert dial.ring_time_s == 26
    by_extension = everything.tree["number/then"]
    assert isinstance(by_extension, nodes.DialAgent)
    assert by_extension.extensions == everything.extensions
    assert by_extension.on_unknown == "closed"


def test_a_call_out_goes_through_the_trunk(everything: Plan) -> None:
    node = everything.tree["welcome/7"]
    assert isinstance(node, nodes.CallOut)
    assert (node.number, node.address) == ("+74957654321", "PJSIP/+74957654321@trunk")


def test_prompts_in_place_are_named_by_their_step(everything: Plan) -> None:
    menu = everything.tree["welcome"]
    assert isinstance(menu, nodes.Menu)
    assert [(one.kind.value, one.name) for one in menu.prompts] == [
        ("text", "hello"),
        ("file", "choices"),
        ("sound", "digits/1"),
        ("text", "welcome.menu.4"),
    ]
    assert menu.prompts[3].text == {"ru": "Нажмите что-нибудь"}
    names = [one.name for one in everything.prompts]
    assert len(names) == len(set(names))


def test_schedules_know_holidays_of_any_year(everything: Plan, shipped: Plan) -> None:
    hours = everything.tree["welcome/8"]
    assert isinstance(hours, nodes.Hours)
    noon = datetime(2026, 10, 3, 7, 0, tzinfo=UTC)
    assert hours.schedule.state(noon) is ScheduleState.HOLIDAY
    assert hours.schedule.state(noon.replace(year=2031)) is ScheduleState.HOLIDAY
    company_day = noon.replace(month=11, day=20)
    assert hours.schedule.state(company_day) is ScheduleState.HOLIDAY
    assert hours.schedule.state(noon.replace(month=11, day=19)) is ScheduleState.OPEN
    office = shipped.tree["petersburg"]
    assert isinstance(office, nodes.Hours)
    assert office.schedule.state(datetime(2027, 1, 4, 9, 0, tzinfo=UTC)) is ScheduleState.HOLIDAY


def test_public_holidays_are_a_mapping_of_dates() -> None:
    days = PublicHolidays("RU", None, {date(2026, 11, 20): "Company day"})
    assert days[date(2026, 11, 20)] == "Company day"
    assert date(2030, 5, 9) in days
    assert date(2030, 5, 8) not in days
    assert list(days) == [date(2026, 11, 20)]
    assert days == PublicHolidays("RU", None, {date(2026, 11, 20): "Company day"})


def test_the_same_plan_has_the_same_digest_wherever_it_lies(tmp_path: Path, shipped: Plan) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "elsewhere")
    moved = load(tmp_path / "elsewhere", registry=STRATEGIES)
    assert moved.digest == shipped.digest
    assert moved.tree == shipped.tree
    assert moved.routing == shipped.routing
    with (tmp_path / "elsewhere" / "queues.yaml").open("a", encoding="utf-8") as file:
        file.write("# a word\n")
    assert load(tmp_path / "elsewhere", registry=STRATEGIES).digest != shipped.digest


def test_one_file_or_many_make_the_same_plan(tmp_path: Path, shipped: Plan) -> None:
    whole = "".join(file.read_text(encoding="utf-8") for file in sorted(shipped.sources))
    (tmp_path / "plan.yaml").write_text(whole, encoding="utf-8")
    plan = load(tmp_path / "plan.yaml", registry=STRATEGIES)
    assert plan.tree == shipped.tree
    assert plan.numbers == shipped.numbers


def test_hidden_files_and_other_kinds_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "plan.yml").write_text(HEAD + "numbers: {+78005553535: {entry: hangup}}\n")
    (tmp_path / ".old.yaml").write_text("[")
    (tmp_path / "notes.txt").write_text("[")
    (tmp_path / "folder.yaml").mkdir()
    assert load(tmp_path, registry=STRATEGIES).sources == (tmp_path / "plan.yml",)


def test_thirty_levels_of_menus_are_no_trouble(tmp_path: Path) -> None:
    step = "hangup"
    for level in range(30):
        step = f"{{menu: {{ru: Меню {level}}}, keys: {{1: {step}}}}}"
    plan = loaded(tmp_path, f"numbers: {{+78005553535: {{entry: {step}}}}}\n")
    assert "+78005553535" + "/1" * 29 in plan.tree


@pytest.mark.parametrize("path", ["nowhere.yaml", "nowhere/at/all", "\0", "x" * 5000])
def test_a_path_that_is_none_is_a_plan_error(path: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError):
        load(tmp_path / path, registry=STRATEGIES)


def test_what_callers_hear_while_they_wait(everything: Plan) -> None:
    sales = everything.queue_sounds[QueueId("sales")].announcements
    assert sales is not None
    assert (sales.numbers, sales.position, sales.estimate) == (Spoken(0.0, 60.0), True, False)
    assert (sales.between, sales.shuffled) == (Spoken(20.0, 120.0), True)
    assert [one.name for one in sales.messages] == ["hello", "queue_sales.messages.2"]
    support = everything.queue_sounds[QueueId("support")].announcements
    assert support is not None
    assert support.numbers == Spoken(15.0, None)
    assert [one.name for one in support.messages] == ["hello"]
    assert everything.numbers["+78005553535"].music == "classic"
    assert everything.numbers["+74951234567"].music is None


def test_keys_that_leave_a_queue_lead_there_from_every_step_that_waits_in_it(
    everything: Plan,
) -> None:
    waits = [one for one in everything.tree.values() if isinstance(one, nodes.ToQueue)]
    of_sales = [one for one in waits if one.queue_id == "sales"]
    assert len(of_sales) > 2
    for one in of_sales:
        assert isinstance(everything.tree[one.keys["1"]], nodes.Voicemail)
        star = everything.tree[one.keys["*"]]
        assert isinstance(star, nodes.Goto)
        assert star.target == "welcome"
        assert isinstance(everything.tree[one.keys["0"]], nodes.ToQueue)
    assert all(not one.keys for one in waits if one.queue_id == "support")


def test_who_is_served_before_others(everything: Plan) -> None:
    sales = everything.routing.queues[QueueId("sales")]
    assert (sales.priority_step_s, sales.returning_s) == (120.0, 600.0)
    assert sales.manager_wait_s == 45.0
    support = everything.routing.queues[QueueId("support")]
    assert (support.priority_step_s, support.returning_s) == (60.0, None)
    assert support.manager_wait_s == 30.0
    assert everything.numbers["+78005553535"].priority == 7
    added = {
        number: everything.vip.priority_of(number)
        for number in ("+79161234567", "+4930123456", "+74951112233", "+79160000000", "", "+493")
    }
    assert added == {
        "+79161234567": 20,
        "+4930123456": 20,
        "+74951112233": 20,
        "+79160000000": 0,
        "": 0,
        "+493": 0,
    }


def test_the_sentences_that_are_needed_are_prompts_and_no_others(
    everything: Plan, tmp_path: Path
) -> None:
    told = (*phrases.positions(), *phrases.estimates())
    assert all(one in everything.prompts for one in told)
    silent = loaded(
        tmp_path,
        "numbers: {+74951234567: {entry: {queue: sales}}}\n"
        "managers: {anna: {name: Анна}}\n"
        "queues: {sales: {members: anna, strategy: ring-all, announce: {estimate: false}}}\n",
    )
    assert all(one in phrases.positions() for one in silent.prompts)
    assert len(silent.prompts) == phrases.MAX_POSITION + 1
