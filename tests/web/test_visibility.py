"""A manager never sees another's, a supervisor never another department's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pbx.web.principal import ALL_DEPARTMENTS, SCOPES, Kind, Principal, Role, Scope, Staff

DEPARTMENTS = ["sales", "support", "accounting", ""]
AGENTS = [f"agent{number}" for number in range(6)]


@st.composite
def staffs(draw: st.DrawFn) -> Staff:
    departments = {
        one: draw(st.sampled_from(DEPARTMENTS))
        for one in draw(st.lists(st.sampled_from(AGENTS), unique=True))
    }
    queues = {
        name: frozenset(
            departments[one] for one in draw(st.sets(st.sampled_from(list(departments))))
        )
        if departments
        else frozenset[str]()
        for name in ("one", "two")
    }
    return Staff(departments, queues)


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    role = draw(st.sampled_from(Role))
    chosen = st.frozensets(st.sampled_from(["sales", "support", ALL_DEPARTMENTS]))
    return Principal(
        kind=draw(st.sampled_from(Kind)),
        name="x",
        role=role,
        departments=draw(chosen),
        agent_id=draw(st.none() | st.sampled_from(AGENTS)),
        scopes=SCOPES[role],
        staff=draw(staffs()),
    )


@given(principals(), st.sampled_from([*AGENTS, "of another plan", "", None]))
def test_who_is_seen(principal: Principal, agent: str | None) -> None:
    sees = principal.sees_agent(agent)
    everything = principal.role is Role.ADMIN or (
        principal.role is Role.SUPERVISOR and ALL_DEPARTMENTS in principal.departments
    )
    if everything:
        assert sees
    elif agent is None:
        assert not sees
    elif agent == principal.agent_id:
        assert sees
    elif principal.role is Role.MANAGER:
        assert not sees
    else:
        assert sees == (
            agent in principal.staff.departments
            and principal.staff.departments[agent] in principal.departments
        )


@given(principals(), st.sampled_from(DEPARTMENTS))
def test_a_manager_sees_no_department_and_a_supervisor_their_own(
    principal: Principal, department: str
) -> None:
    sees = principal.sees_department(department)
    match principal.role:
        case Role.ADMIN:
            assert sees
        case Role.MANAGER:
            assert not sees
        case Role.SUPERVISOR:
            assert sees == bool(principal.departments & {department, ALL_DEPARTMENTS})


@given(principals(), st.sampled_from(["one", "two", "unknown", None]))
def test_a_queue_is_seen_by_who_sees_somebody_of_it(
    principal: Principal, queue: str | None
) -> None:
    sees = principal.sees_queue(queue)
    if principal.sees_everything():
        assert sees
    elif principal.role is Role.MANAGER or queue is None:
        assert not sees
    else:
        serving = principal.staff.queues.get(queue, frozenset())
        assert sees == bool(serving & principal.departments)


def test_a_users_role_says_what_it_may_at_all() -> None:
    assert SCOPES[Role.ADMIN] == set(Scope)
    assert SCOPES[Role.ADMIN] - SCOPES[Role.SUPERVISOR] == {Scope.ADMIN}
    assert SCOPES[Role.SUPERVISOR] - SCOPES[Role.MANAGER] == {Scope.REPORTS_READ}
