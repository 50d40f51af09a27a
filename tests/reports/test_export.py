"""What is exported is computed by no spreadsheet, and tells what the report tells."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import zipfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.reports.export import csv_text, write_sheet

EVIL = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda blank, sign, rest: blank + sign + rest,
        st.sampled_from(("", " ", "\t", "\u00a0", "\n")),
        st.sampled_from(("=", "+", "-", "@", "\t", "\r", "|", "%", "＝", "＋", "－", "＠")),
        st.sampled_from(("1+1", 'cmd|" /C calc"!A0', 'HYPERLINK("http://x")', "SUM(A1)", "")),
    ),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(EVIL, min_size=2, max_size=2), max_size=5))
def test_no_cell_of_a_csv_begins_like_a_formula(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(["=a", "b"], rows))))
    assert len(read) == len(rows) + 1
    for row in read:
        assert len(row) == 2
        for cell in row:
            assert not re.match(r"\s*[=+\-@|%＝＋－＠]", cell)
            assert "\n" not in cell
            assert "\r" not in cell


def test_a_number_below_zero_stays_a_number() -> None:
    assert csv_text(["a"], [[-1.5], [None], [3]]) == 'a\n-1.5\n""\n3\n'


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(EVIL, min_size=2, max_size=2), min_size=1, max_size=4))
def test_no_cell_of_a_sheet_is_a_formula_or_a_link(rows: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.xlsx"
        write_sheet(path, ["=a", "b"], rows, [None, None])
        with zipfile.ZipFile(path) as book:
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
            assert "<f>" not in sheet
            assert "hyperlink" not in sheet
            assert sheet.count('t="s"') == 2 + 2 * len(rows)
