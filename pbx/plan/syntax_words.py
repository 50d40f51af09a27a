"""What the YAML parser's complaints mean, in words that help."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

_WORDS: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        "a second value begins here",
        'wrong indentation, or a text with ": " in it that needs quotes',
    ),
    "could not find expected ':'": ('":" is missing after the key', ""),
    "did not find expected key": ("this does not belong here", "check quotes and indentation"),
    "did not find expected '-' indicator": (
        "a list and keys are mixed here",
        "check the indentation",
    ),
    "block sequence entries are not allowed in this context": (
        "a list can't begin here",
        'begin it on a line of its own, or quote a text that starts with "- "',
    ),
    "did not find expected ',' or ']'": ("the list in [ ] is not closed", '"," or "]" is missing'),
    "did not find expected ',' or '}'": ("the { } is not closed", '"," or "}" is missing'),
    "found unexpected end of stream": ("the quote that begins here is never closed", ""),
    "found unexpected document indicator": ("the quote that begins here is never closed", ""),
    "did not find expected node content": ("a value is missing here", ""),
    "did not find expected <document start>": (
        "nothing can follow here",
        "one character too many?",
    ),
    "found unknown escape character": (
        "unknown escape after the backslash",
        "single quotes leave a backslash as it is",
    ),
    "did not find expected comment or line break": ("only a line break can follow here", ""),
}


def explain(error: yaml.MarkedYAMLError, lines: Sequence[str]) -> tuple[int, int, str, str]:
    """(line, column, message, hint) of a syntax error; the place is where the eye should go."""
    problem = error.problem or "not YAML"
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return 1, 1, problem, ""
    context = error.context_mark
    if context is not None and ("end of stream" in problem or "indicator" in problem):
        mark = context if "quoted" in (error.context or "") else mark
    if context is not None and problem.startswith("did not find expected ','"):
        mark = context
    line, column = mark.line, mark.column
    text = lines[line] if line < len(lines) else ""
    char = text[column : column + 1]
    if problem == "found character that cannot start any token":
        if char == "\t":
            return line + 1, column + 1, "a tab can't indent", "use spaces"
        return line + 1, column + 1, f'"{char}" can\'t begin a value', "put the value in quotes"
    if problem.startswith("did not find expected alphabetic") and context is not None:
        sign = "&" if "anchor" in (error.context or "") else "*"
        return (
            context.line + 1,
            context.column + 1,
            f'"{sign}" can\'t stand alone',
            f'write "{sign}" in quotes',
        )
    message, hint = _WORDS.get(problem, (problem, ""))
    return line + 1, column + 1, message, hint
