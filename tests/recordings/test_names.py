"""A recording's path is made of the day and our own id, whatever anyone writes into the log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.recordings.names import file_of, leg_of, path_of, recording_name
from routing.values import LegId

FOLDER = Path("/srv/recordings")
LEGS = st.from_regex(r"[0-9a-f]{1,12}-[lx][1-9][0-9]{0,5}", fullmatch=True)
DAYS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(DAYS, LEGS)
def test_name_path_and_file_lead_back_to_the_leg(day: datetime, leg: str) -> None:
    name = recording_name(day, LegId(leg))

    assert leg_of(name) == leg
    file = file_of(FOLDER, path_of(name))
    assert file.parent.parent == FOLDER
    assert file.parent.name == f"{day:%Y-%m-%d}"
    assert file.name == f"{name}.wav"


@given(st.text(alphabet=st.sampled_from("abl019-./\\\0\n %*~٣"), max_size=40))
def test_no_other_path_of_the_log_is_ever_touched(path: str) -> None:
    try:
        found = file_of(FOLDER, path)
    except ValueError:
        return
    assert found.parent.parent == FOLDER
    assert ".." not in found.parts


@pytest.mark.parametrize(
    "path",
    [
        "",
        "../../etc/passwd",
        "/etc/passwd",
        "2026-11-18/../../etc/passwd.wav",
        "2026-11-18/2026-11-19-a-l1.wav",
        "2026-11-18/2026-11-18-a-l1.wav\0",
        "2026-11-18/2026-11-18-a-l1.wav\n",
        "2026-11-18/2026-11-18-a/l1.wav",
        "x/2026-11-18/2026-11-18-a-l1.wav",
        "٢٠٢٦-11-18/٢٠٢٦-11-18-a-l1.wav",
    ],
)
def test_hostile_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a recording's"):
        file_of(FOLDER, path)
