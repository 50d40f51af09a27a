"""Prompts as files a switch can play: recordings where there are some, spoken texts elsewhere.

Both end in one folder that engine and switch share, under names made from their content: a text
is spoken once, whatever is reloaded or restarted.  A recording
``<prompts_dir>/<language>/<name>.wav`` is looked for each time a prompt is played: put there at
any time, it replaces the text from the next caller on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ivr.nodes import Prompt, PromptKind
from pbx.plan import telephone_sound
from pbx.plan.model import Plan, Speech

SPEAK_TIMEOUT_S = 60.0
"""One text; espeak-ng takes 0.1 s, piper up to 10 s on a small machine."""
_FORMAT = "telephone-1"
"""Part of the cached names: changes when the way to the file does."""
SILENCE = "silence/1"
"""Played where there is nothing to play: a caller must not be lost over a prompt."""


@dataclass(frozen=True, slots=True)
class PromptProblem:
    """A prompt that can't be heard in a language, and why."""

    prompt: str
    language: str
    why: str

    def __str__(self) -> str:
        return f'prompt "{self.prompt}" ({self.language}): {self.why}'


@dataclass(frozen=True, slots=True)
class _Recording:
    """A recording as it was last seen, and its copy for the switch (None: not playable)."""

    stamp: tuple[int, int]
    sound: str | None


OLDER_PLANS = 3
"""Plans before the one in force whose prompts are still found: calls that began with them say
them.  Who is on an older one hears what the newest has under the same name, or silence."""


class PromptStore:
    """The prompts of the plan in force, and of those before it.

    ``cache_dir``: the shared folder as the engine sees it; ``switch_dir``: the same as the
    switch sees it.  ``workers``: texts spoken at once.
    """

    def __init__(self, plan: Plan, cache_dir: Path, switch_dir: str, *, workers: int = 2) -> None:
        self._plans: tuple[Plan, ...] = (plan,)
        self._cache_dir = cache_dir
        self._switch_dir = switch_dir.rstrip("/")
        self._workers = workers
        self._recordings: dict[Path, _Recording] = {}
        self._converting: dict[Path, Future[None]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._spoken: dict[tuple[str, str, int], str] = {}
        self._lock = threading.Lock()

    def replace(self, plan: Plan) -> None:
        """Another plan is in force, whose prompts are prepared."""
        self._plans = (plan, *self._plans[:OLDER_PLANS])
        self._spoken.clear()

    def prepare(
        self, plan: Plan | None = None, told: Callable[[int, int], None] = lambda done, of: None
    ) -> list[PromptProblem]:
        """Speak every text and take every recording that is not in the folder yet; what could
        not be done.  Blocks (run it in a thread); the switch can play all of it afterwards.

        ``plan``: one that is to be in force; default: the one that is.  ``told``: hears how many
        are done, and of how many."""
        plan = plan or self._plans[0]
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        problems = missing(plan)
        jobs: list[Callable[[], PromptProblem | None]] = []
        for prompt, language in _wanted(plan):
            recording = _recording_of(plan, prompt, language)
            if recording is not None:
                jobs.append(partial(self._take, recording, prompt, language))
            elif prompt.text.get(language) and _can_speak(plan, language):
                jobs.append(partial(self._speak, plan.speech, prompt, language))
        with ThreadPoolExecutor(self._workers, thread_name_prefix="prompts") as pool:
            for done, problem in enumerate(pool.map(lambda job: job(), jobs), 1):
                if problem is not None:
                    problems.append(problem)
                told(done, len(jobs))
        return problems

    def resolver(self) -> Callable[[Prompt, str], str]:
        """The switch's question: what to play for a prompt in a language (path, no suffix)."""
        return self.sound

    def sound(self, prompt: Prompt, language: str) -> str:
        """What the switch plays.  Never blocks for long and never fails: where a language is
        missing the first of the plan is heard, where all is missing a second of silence."""
        if prompt.kind is PromptKind.SOUND:
            return prompt.name
        plans = self._plans
        for one in dict.fromkeys((language, *plans[0].languages)):
            for plan in plans:
                found = self._recorded(plan, prompt, one) or self._spoken_sound(plan, prompt, one)
                if found is not None:
                    return f"{self._switch_dir}/{found}"
        return SILENCE

    def settle(self) -> None:
        """Wait until the new recordings seen so far are converted (or found unplayable)."""
        for running in list(self._converting.values()):
            running.result()

    def close(self) -> None:
        """End what is still being converted."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    # --- recordings ---

    def _recorded(self, plan: Plan, prompt: Prompt, language: str) -> str | None:
        """The recording's name in the folder, when there is one that is ready."""
        place = _place(plan, prompt, language)
        stamp = _stamp(place)
        if stamp is None:
            return None
        with self._lock:
            known = self._recordings.get(place)
            if known is not None and known.stamp == stamp:
                return known.sound
            name = _recording_name(place, stamp)
            if (self._cache_dir / f"{name}.wav").exists():
                self._recordings[place] = _Recording(stamp, name)
                return name
            # A new one: the old one (or the text) is heard until it is converted.
            running = self._converting.get(place)
            if running is None or running.done():
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(1, thread_name_prefix="prompts")
                self._converting[place] = self._pool.submit(self._convert_quietly, place, stamp)
            return known.sound if known is not None else None

    def _convert_quietly(self, place: Path, stamp: tuple[int, int]) -> None:
        name: str | None = _recording_name(place, stamp)
        try:
            _to_telephone(place, self._cache_dir / f"{name}.wav")
        except _SpeechFailure:
            name = None
        with self._lock:
            self._recordings[place] = _Recording(stamp, name)

    def _take(self, place: Path, prompt: Prompt, language: str) -> PromptProblem | None:
        stamp = _stamp(place)
        if stamp is None:
            return PromptProblem(prompt.name, language, f"{place} went away")
        target = self._cache_dir / f"{_recording_name(place, stamp)}.wav"
        try:
            if not target.exists():
                _to_telephone(place, target)
        except _SpeechFailure as error:
            return PromptProblem(prompt.name, language, f"{place} can't be played: {error}")
        return None

    # --- texts ---

    def _spoken_sound(self, plan: Plan, prompt: Prompt, language: str) -> str | None:
        """The spoken text's name in the folder, when it is there."""
        text = prompt.text.get(language)
        if not text or not _can_speak(plan, language):
            return None
        # By the text: an older plan may have another one of the same name.
        key = (text, language, id(plan))
        known = self._spoken.get(key)
        if known is not None:
            return known
        name = _spoken_name(text, language, plan.speech)
        if not (self._cache_dir / f"{name}.wav").exists():
            return None
        self._spoken[key] = name
        return name

    def _speak(self, speech: Speech, prompt: Prompt, language: str) -> PromptProblem | None:
        text = prompt.text[language]
        name = _spoken_name(text, language, speech)
        target = self._cache_dir / f"{name}.wav"
        if target.exists():
            return None
        try:
            speak(text, speech, language, target)
        except _SpeechFailure as error:
            return PromptProblem(prompt.name, language, str(error))
        return None


def missing(plan: Plan) -> list[PromptProblem]:
    """What callers will not hear: no recording, and no text or nobody to speak it."""
    problems = []
    engine = plan.speech.command[0] if plan.speech.command else ""
    installed = bool(engine) and shutil.which(engine) is not None
    for prompt, language in _wanted(plan):
        if _recording_of(plan, prompt, language) is not None:
            continue
        why = ""
        if not prompt.text.get(language):
            why = f"no text, and no recording {_place(plan, prompt, language)}"
        elif not installed:
            why = f"{engine or 'a speech engine'} is not installed, and there is no recording"
        elif not _can_speak(plan, language):
            why = f"{engine} has no voice for it (settings.speech.voices)"
        elif engine == "piper" and (gone := _without_model(plan.speech.voices[language])):
            why = f"piper's voice needs {gone}, which is not there (settings.speech.voices)"
        if why:
            problems.append(PromptProblem(prompt.name, language, why))
    return problems


def _wanted(plan: Plan) -> Iterator[tuple[Prompt, str]]:
    """What has to be a file of ours."""
    for prompt in plan.prompts:
        if prompt.kind is not PromptKind.SOUND:
            for language in plan.languages:
                yield prompt, language


def _can_speak(plan: Plan, language: str) -> bool:
    return bool(plan.speech.command) and language in plan.speech.voices


def _without_model(voice: str) -> Path | None:
    """Which of a piper voice's two files is not there."""
    files = (Path(voice), Path(f"{voice}.json"))
    return next((one for one in files if not one.is_file()), None)


def _place(plan: Plan, prompt: Prompt, language: str) -> Path:
    return plan.prompts_dir / language / f"{prompt.name}.wav"


def _recording_of(plan: Plan, prompt: Prompt, language: str) -> Path | None:
    place = _place(plan, prompt, language)
    return place if _stamp(place) is not None else None


class _SpeechFailure(Exception):
    """A program did not make the sound."""


def speak(text: str, speech: Speech, language: str, target: Path) -> None:
    """Speak ``text`` into ``target`` by the speech engine: in a process of its own, without a
    shell, the text in a file and on its input."""
    with tempfile.TemporaryDirectory(prefix="voronka-speech-") as folder:
        text_file, out = Path(folder, "text.txt"), Path(folder, "out.wav")
        text_file.write_text(text + "\n", encoding="utf-8")
        fill = {
            "{voice}": speech.voices[language],
            "{text_file}": str(text_file),
            "{out}": str(out),
        }
        command = [_filled(part, fill.items()) for part in speech.command]
        _run(command, text + "\n")
        if not out.exists():
            raise _SpeechFailure(f"{command[0]} wrote no sound")
        _to_telephone(out, target)


def _filled(part: str, fill: Iterable[tuple[str, str]]) -> str:
    for name, value in fill:
        part = part.replace(name, value)
    return part


def _to_telephone(source: Path, target: Path) -> None:
    """Convert into the shared folder; the file appears there whole or not at all."""
    partial = target.with_name(f".{target.stem}.{threading.get_ident()}.part")
    try:
        if telephone_sound.is_telephone_sound(source):
            shutil.copyfile(source, partial)
        else:
            _run([sys.executable, "-I", telephone_sound.__file__, str(source), str(partial)], "")
        partial.chmod(0o644)  # the switch runs as a user of its own
        os.replace(partial, target)
    except OSError as error:
        raise _SpeechFailure(error.strerror or str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _run(command: list[str], given: str) -> None:
    try:
        done = subprocess.run(
            command,
            input=given.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SPEAK_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise _SpeechFailure(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise _SpeechFailure(f"{command[0]} took longer than {SPEAK_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise _SpeechFailure(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _SpeechFailure(said[-1][:200] if said else f"{command[0]} failed")


def _stamp(place: Path) -> tuple[int, int] | None:
    """(modified, size) of a file; None when there is none."""
    try:
        seen = place.stat()
    except (OSError, ValueError):
        return None
    return seen.st_mtime_ns, seen.st_size


def _recording_name(place: Path, stamp: tuple[int, int]) -> str:
    return "recorded-" + _hash(_FORMAT, str(place.absolute()), str(stamp))


def _spoken_name(text: str, language: str, speech: Speech) -> str:
    return "spoken-" + _hash(_FORMAT, text, speech.voices[language], *speech.command)


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:40]
