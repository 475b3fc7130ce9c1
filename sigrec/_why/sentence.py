"""One sentence about what ended a process, who sent that, when, and what came before it.

It says no more than recordings and /proc tell. A process cannot see its own SIGKILL; but its parent
is told of it, and the sender knows it, and if one of these recorded it, the sentence says so.
"""

from __future__ import annotations

import os
import signal
from functools import cached_property

from sigrec._proc.host import boot_id, booted_ns
from sigrec._proc.process import is_stopped, start_ticks
from sigrec._reader import places
from sigrec._signals.codes import CLD_EXITED, SI_KERNEL, SI_TKILL, SI_USER
from sigrec._signals.names import name
from sigrec._signals.sender import vouched
from sigrec._signals.words import (
    BY_ITSELF,
    BY_PARENT,
    FAULT_WORDS,
    FAULTS_IN_CODE,
    HARMLESS,
    KEYS,
    MEANS,
)
from sigrec._text import printable, shortened, without_folder
from sigrec._times import local_clock, rounded_duration, utc_clock
from sigrec._why.brief import ended_words, gap_words, pending_words, unknown_words
from sigrec._why.cause import (
    Cause,
    before_a_keyboard_interrupt,
    cause,
    find,
    is_keyboard_interrupt,
    is_unseen,
    may_be_gone,
    records_all,
)
from sigrec._why.dispositions import explaining
from sigrec._why.joining import is_same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo
    from sigrec._why.oom import Oom
    from sigrec._why.senders import SentBy


_REASON_NS = 60_000_000_000  # a signal that the sender got longer ago is hardly the reason
_ENDS_WHAT_IS_NOT_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV)


def why(
    recording: Recording,
    *,
    in_utc: bool = False,
    found: Cause | None = None,
    commands: bool = True,
) -> str:
    """One sentence about what ended the process, and what led up to it. Safe for a terminal.

    found: what ended it, where that was asked already. commands: whether to show whole command
    lines, in which there may be secrets, or only what the programs are called.
    """
    words = _Why(recording, in_utc, commands)
    return words.sentence(found or cause(recording)).removesuffix(".") + words.attached() + "."


class _Why:
    def __init__(self, recording: Recording, in_utc: bool, commands: bool) -> None:
        self.recording = recording
        self.signals = recording.signals
        self._clock = utc_clock if in_utc else local_clock
        self._commands = commands
        self.who = named(recording.pid, self._shown(recording.argv), recording._owner)

    def _shown(self, argv: list[str]) -> list[str]:
        return argv if self._commands else argv[:1]

    def sentence(self, found: Cause) -> str:
        if found.kind == "alive":
            return self._alive(found)
        if found.told is not None:
            return self._as_its_parent_was_told(found)
        if found.seen is not None and found.seen.seen_by is not None and not self._agrees(found):
            return self._as_was_seen(found.seen, found)
        if found.sent_by is not None:
            return self._as_its_sender_says(found.sent_by, found)
        if found.kind == "signal":
            return self._by_signal(found)
        if found.kind == "exec":
            return self._by_exec(found.reason)
        if found.kind in ("exit", "exception"):
            return self._by_itself(found)
        if self.recording.state == "unknown":
            return self._unseen()
        return self._without_a_word(found)

    def attached(self) -> str:
        """Since when, and until when, an attach has had the process recorded."""
        recording = self.recording
        if not recording._attached:
            return ""
        text = f"; its recording begins at {self._clock(recording.started_ns)}, when sigrec attached to it"
        if recording._detached_ns is None:
            text += ": what came before is not known"
        elif not self._not_since:
            text += (
                f", and sigrec detached at {self._clock(recording._detached_ns)}: what came before "
                "is not known, and of what came since only what the program recorded itself"
            )
        else:
            text += (
                f", and stops at {self._clock(recording._detached_ns)}: what came before and since is "
                "not known"
            )
        gap = gap_words(recording, self._clock)
        meanwhile = "of what came meanwhile only what the program recorded itself is known"
        return f"{text}; {gap}: {meanwhile}" if gap else text

    @cached_property
    def _not_since(self) -> str:
        """`` recorded since 12:03:04, when sigrec detached from it``, if that is so."""
        stopped_ns = self.recording._stopped_ns
        if stopped_ns is None:
            return ""
        return f" recorded since {self._clock(stopped_ns)}, when sigrec detached from it"

    # --- the cases -------------------------------------------------------------------------

    def _alive(self, found: Cause) -> str:
        stopped = is_stopped(self.recording._pid_here() or 0)
        doing = "stopped, and not ended" if stopped else "still running"
        if self._not_since:
            doing += f", and not{self._not_since}"
        pending = pending_words(self.recording)
        waits = f"; {pending}" if pending else ""
        return (
            f"{self.who} is {doing}{self._handling()}{self._last_signal()}{waits}"
            f"{self._explained(found)}."
        )

    def _explained(self, found: Cause, info: SignalInfo | None = None) -> str:
        """What the process's dispositions and its mask explain."""
        said = explaining(self.recording, found, info, self._clock)
        return "".join(f"; {text}" for text in said)

    def _unseen(self) -> str:
        """The sentence about a process that recorded no end, and cannot be seen from here."""
        recording = self.recording
        if recording.boot_id != boot_id():
            before = (
                recording.started_ns < booted_ns() and recording._is_of_this_machine() is not False
            )
            why_unseen = "of another machine" + (
                ", or of this one before it was last started" if before else ""
            )
        elif recording._pid_here() is None:
            why_unseen = (
                "in this PID namespace, of which /proc shows nothing here"
                if recording._here
                else "in another PID namespace"
            )
        elif recording.uid == os.geteuid():
            why_unseen = "one that this user may not look into"
        else:
            why_unseen = "another user's"
        no_end = (
            "its recording has no end: it still runs there, or it ended in a way that no process can "
            "record, such as SIGKILL"
        )
        if self._not_since:
            no_end = f"it has not been{self._not_since}: it still runs there, or it has ended"
        from sigrec._why.newest import successor

        again = successor(recording)
        since = (
            f"; the same program was started again at {self._clock(again.started_ns)}, so probably "
            "it has ended"
            if again is not None
            else ""
        )
        return (
            f"{self.who} is {why_unseen}, and cannot be seen from here; {no_end}{since}"
            f"{self._last_signal()}."
        )

    def _by_signal(self, found: Cause) -> str:
        signum = found.signal or 0
        info = find(self.recording, signum, found.ordinal or 0)
        number = self.recording.signal_name(signum)
        if is_keyboard_interrupt(self.recording, signum, info):
            first = before_a_keyboard_interrupt(self.recording, info)
            return self._by_keyboard_interrupt(info, first)
        how = "terminated by" if signum not in FAULTS_IN_CODE else "ended by"
        if info is None:
            return f"{self.who} was {how} {number}; who sent it is not recorded{self._handling()}."
        return (
            f"{self.who} was {how} {number}{self._cause(info)}, at {self._clock(info.time_ns)}"
            f"{self._handling()}{self._signals_before(info.monotonic_ns, info)}{self._explained(found, info)}."
        )

    def _by_keyboard_interrupt(self, info: SignalInfo | None, first: SignalInfo | None) -> str:
        text = f"{self.who} was ended by a KeyboardInterrupt that nobody caught"
        if first is None:
            return f"{text}{f', at {self._clock(info.time_ns)}' if info else ''}."
        return (
            f"{text}: SIGINT{self._cause(first)}, at {self._clock(first.time_ns)}"
            f"{self._signals_before(first.monotonic_ns, first)}."
        )

    def _by_exec(self, program: str | None) -> str:
        pid = self.recording._pid_here()
        since = ", which has ended since"
        if pid is None:
            since = ""
        elif pid and start_ticks(pid) == self.recording._header.start_ticks:
            since = ", which still has that PID"
        return (
            f"{self.who} did not end, but became {printable(program or 'another program')} by exec"
            f"{self._left_at()}{since} and whose signals are not in this recording{self._lead_up()}."
        )

    def _by_itself(self, found: Cause) -> str:
        status = "" if found.status is None else f" with status {found.status}"
        if found.reason is not None:
            return (
                f"{self.who} exited{status}{self._left_at()}, by an exception that nobody caught: "
                f"{printable(found.reason)}{self._handling()}{self._lead_up()}."
            )
        how = f"exited by itself{status}"
        if found.at_once:
            how = f"ended itself by _exit(2){status}"
        elif self.recording.exit_kind is None:
            how += "; its recording does not say with which status"
        return f"{self.who} {how}{self._left_at()}{self._handling()}{self._lead_up()}."

    def _without_a_word(self, found: Cause) -> str:
        last = self._last_signal("the last that it received was") if self._newest_of_each() else ""
        if self._not_since:
            return (
                f"{self.who} has ended, and had not been{self._not_since}: how it ended is not known"
                f"{self._asked(found, '; ')}{_or_root()}{self._oom(found.oom, '')}{last}."
            )
        if found.aborted is not None:
            return (
                f"The recording of {self.who} ends without a signal and without an exit, after it had "
                f"called abort(3), or raise(3) of SIGABRT, at {self._clock(found.aborted.time_ns)}, which "
                "did not return: most likely that ended it, as abort(3) does whatever is done with "
                f"SIGABRT, unless a handler left it by longjmp(3); {self._asked(found, after='; ')}nothing more is known{_or_root()}"
                f"{self._oom(found.oom, '')}{last}{self._explained(found)}."
            )
        if self.recording.boot_id != boot_id():
            means = "which may be what ended it: this machine has been started anew since"
        else:
            means = (
                "which usually means SIGKILL: kill -9, the kernel's OOM killer, a container's end"
            )
            if self._may_have_aborted():
                means = (
                    "after SIGABRT from itself: if abort(3) sent that, it also ended the process, unless "
                    f"a handler left it by longjmp(3); otherwise this {means.removeprefix('which ')}"
                )
        others = ["a fault for which the kernel calls no handler, as when a stack overflows"]
        if not records_all(self.recording):
            unseen = [n for n in _ENDS_WHAT_IS_NOT_CAUGHT if is_unseen(self.recording, n)]
            if unseen:
                some = ", ".join(name(signum) for signum in unseen[:3])
                others.append(f"a signal that was not recorded here ({some}, ...)")
            gone = [n for n in _ENDS_WHAT_IS_NOT_CAUGHT if may_be_gone(self.recording, n)]
            if gone:
                names = ", ".join(map(name, gone))
                others.append(f"{names}, if sigrec's handler had been replaced")
            others.append("os._exit")
        means += "; or " + ", or ".join(others)
        return (
            f"The recording of {self.who} ends without a signal and without an exit, {means}; "
            f"{self._asked(found, after='; ')}nothing more is known{_or_root()}{self._handling(', except that it was')}"
            f"{self._oom(found.oom, '')}{last}{self._explained(found)}."
        )

    def _may_have_aborted(self) -> bool:
        """Whether SIGABRT, as abort(3) sends it, is the last that came,
        and no call that sent it is known to have returned."""
        newest = [info for info in self._newest_of_each() if info.si_signo not in HARMLESS]
        if not newest or self.recording.handling == signal.SIGABRT:
            return False
        sent = self.recording.sent()
        if any(one.si_signo == signal.SIGABRT and one.error is not None for one in sent):
            return False
        info = newest[0]
        itself = info.si_code == SI_TKILL and info.si_pid == self.recording.pid
        return itself and info.si_signo == signal.SIGABRT

    def _asked(self, found: Cause, before: str = "", after: str = "") -> str:
        by = found.asked_by
        if by is None:
            return ""
        sent = self._sent_by(by).removeprefix(", sent")
        return f"{before}it was sent {by.sent.signal_name}{sent}{after}"

    def _as_was_seen(self, seen: Ended, found: Cause) -> str:
        """The sentence about an end that was seen by a bystander, and not by the process itself."""
        at = ", as /proc says: its parent has not waited for it yet"
        if seen.time_ns is not None:
            at = f", as was seen at {self._clock(seen.time_ns)}"
        if found.sent_by is not None:
            at = self._sent_by(found.sent_by)
        elif found.kind == "signal":
            at += self._oom(
                found.oom, f"; {unknown_words(found.signal)} is not recorded{_or_root()}"
            )
        last = self._last_signal("the last that it received was") if self._newest_of_each() else ""
        return (
            f"{self.who} {ended_words(seen)}{at}{self._own(found)}{self._handling()}{last}"
            f"{self._explained(found)}."
        )

    def _agrees(self, found: Cause) -> bool:
        """Whether the cause is what the process itself recorded."""
        recording = self.recording
        wrote = recording.exit_kind or recording.fatal_signal or recording.state == "exited"
        return bool(wrote) and found.own is None

    def _oom(self, oom: Oom | None, otherwise: str) -> str:
        if oom is None:
            return otherwise
        from sigrec._why.oom import words as oom_words

        return ("" if oom.probably else otherwise) + oom_words(oom, self._clock(oom.since_ns))

    def _own(self, found: Cause) -> str:
        """What the process itself recorded, where that is not how it ended."""
        own = found.own
        if own is None:
            return ""
        if own.kind == "signal":
            says = f"{self.recording.signal_name(own.signal or 0)} was about to end it"
        elif own.kind == "exec":
            says = f"it had become {printable(own.reason or 'another program')} by exec"
        else:
            says = "it was about to exit" + (
                "" if own.status is None else f" with status {own.status}"
            )
        return f"; by its own record, {says}"

    def _as_its_parent_was_told(self, found: Cause) -> str:
        from sigrec._why.parents import how_child_ended

        assert found.told is not None
        parent, info, stop = found.told
        by = found.sent_by
        ended = how_child_ended(parent, info)
        command = shortened(typed(self._shown(parent.argv)), 40)
        stopped = ""
        if stop is not None:
            after = rounded_duration(max(0, info.monotonic_ns - stop.monotonic_ns))
            stopped = f", {after} after it was stopped by {parent.signal_name(stop.status)}"
        last = self._last_signal("the last that it received was") if self._newest_of_each() else ""
        if by is not None:
            return (
                f"{self.who} {ended}{self._sent_by(by, parent)}{stopped}"
                f"{self._own(found)}{self._handling()}{last}{self._explained(found)}."
            )
        who = (
            ""
            if info.code == CLD_EXITED
            else self._oom(
                found.oom, f"; nobody was told {unknown_words(found.signal)}{_or_root()}"
            )
        )
        return (
            f"{self.who} {ended}{stopped}, as its parent, PID "
            f"{parent.pid} ({command}), was told at {self._clock(info.time_ns)}{who}"
            f"{self._own(found)}{self._handling()}{last}{self._explained(found)}."
        )

    def _as_its_sender_says(self, by: SentBy, found: Cause) -> str:
        last = self._last_signal("the last that it received was") if self._newest_of_each() else ""
        return (
            f"{self.who} was killed by {by.sent.signal_name}{self._sent_by(by)}{self._handling()}"
            f"{last}{self._explained(found)}."
        )

    def _sent_by(self, by: SentBy, parent: Recording | None = None) -> str:
        """Who sent the signal that ended it, as the sender wrote down,
        and which signal the sender had received before."""
        sender, sent = by
        if is_same(sender, self.recording):
            return f", sent by itself at {self._clock(sent.time_ns)}"
        is_parent = sender.pid == (parent.pid if parent else self.recording._identity.ppid)
        child = "its parent, " if is_parent else ""
        text = (
            f", sent by {child}PID {sender.pid} ({shortened(typed(self._shown(sender.argv)), 40)}) at "
            f"{self._clock(sent.time_ns)}, as that process recorded"
        )
        reason = max(
            (
                stats.last
                for number, stats in sender.signals.items()
                if stats.last and number not in HARMLESS
                if stats.last.monotonic_ns <= sent.monotonic_ns
            ),
            key=lambda info: info.monotonic_ns,
            default=None,
        )
        if reason is None or sent.monotonic_ns - reason.monotonic_ns > _REASON_NS:
            return text
        after = rounded_duration(sent.monotonic_ns - reason.monotonic_ns)
        theirs = _Why(sender, self._clock is utc_clock, self._commands)
        return f"{text}, {after} after that process had received {theirs._from(reason)}"

    # --- the parts ---------------------------------------------------------------------------

    def _cause(self, info: SignalInfo) -> str:
        """``, sent by PID 1 (user root, called systemd just after)``, ``: ...``"""
        signum, code = info.si_signo, info.si_code
        sender = info.sender
        if sender.kind == "terminal" and signum in KEYS:
            return f", {KEYS[signum]} in its terminal"
        if sender.kind in ("kernel", "timer", "terminal"):
            fault = FAULT_WORDS.get((signum, code))
            at = "" if info.si_addr is None else f" at address {info.si_addr:#x}"
            if signum in FAULTS_IN_CODE and code > 0:
                return f", a fault{at}{f' ({fault})' if fault else ''}"
            meaning = MEANS.get(signum)
            return f", from {sender}{f' ({meaning})' if meaning else ''}"
        if sender.kind == "process" and sender.pid == self.recording.pid and vouched(code):
            meaning = BY_ITSELF.get(signum) if code in (SI_USER, SI_TKILL) else None
            return f", sent by itself{f' ({meaning})' if meaning else ''}"
        if self._at_parents_end(info):
            ended = f"its parent, PID {sender.pid}, had ended"
            return f", as the kernel sends it at a parent's end (PR_SET_PDEATHSIG): {ended}"
        return f", sent by {self._sender(info)}"

    def _at_parents_end(self, info: SignalInfo) -> bool:
        looked = self.recording._asker(info) if info.sender.kind == "process" else None
        return looked is not None and looked.at_its_end

    def _sender(self, info: SignalInfo) -> str:
        sender = info.sender
        claims = "" if vouched(info.si_code) else "a process that says it is "
        if sender.pid == self.recording.pid:
            return f"{claims}itself"
        if sender.pid is None:
            return printable(str(sender))
        said = [f"user {printable(sender.user)}" if sender.user else f"uid {sender.uid}"]
        if sender.comm:
            # By the time that anyone can look, the sender may have become another program.
            when = "now" if info._recorded_comm() is None else "just after"
            said.append(f"called {printable(sender.comm)} {when}")
        child = "child " if sender.kind == "child" else ""
        looked = self.recording._asker(info) if sender.kind == "process" else None
        parent = ""
        if looked is not None and looked.argv:
            command = shortened(typed(self._shown(looked.argv)) + ("…" if looked.cut else ""), 60)
            if len(said) == 1 or command.removeprefix("-") != sender.comm:  # more than its name
                said[1:] = [f"{said[1] if len(said) > 1 else 'just after'}: {command}"]
        if looked is not None and looked.parent is not None:
            called = f" ({printable(looked.parent_comm)})" if looked.parent_comm else ""
            parent = f", a child of PID {looked.parent}{called}"
        return f"{claims}{child}PID {sender.pid} ({', '.join(said)}){parent}"

    def _from(self, info: SignalInfo) -> str:
        key = KEYS.get(info.si_signo) if info.si_code == SI_KERNEL else None
        who = f"the terminal ({key})" if key else self._sender(info)
        if self._at_parents_end(info):
            return f"{self.recording.signal_name(info.si_signo)} at the end of its parent, {who}"
        by_parent = info.sender.kind == "process" and info.si_pid == self.recording._identity.ppid
        meaning = BY_PARENT.get(info.si_signo) if by_parent else None
        return f"{self.recording.signal_name(info.si_signo)} from {who}" + (
            f", {meaning}" if meaning else ""
        )

    def _handling(self, but: str = ", while it was still") -> str:
        """The handler that was running, if one was."""
        signum = self.recording.handling
        if signum is None or self._not_since:
            return ""
        since_ns = self.recording.handling_time_ns
        since = "" if since_ns is None else f" (since {self._clock(since_ns)})"
        return f"{but} handling {self.recording.signal_name(signum)}{since}"

    def _left_at(self) -> str:
        time_ns = self.recording.exit_time_ns
        return "" if time_ns is None else f" at {self._clock(time_ns)}"

    def _lead_up(self) -> str:
        monotonic_ns = self.recording.exit_monotonic_ns
        return "" if monotonic_ns is None else self._signals_before(monotonic_ns)

    def _newest_of_each(self, but: SignalInfo | None = None) -> list[SignalInfo]:
        """The last event of each signal, the latest first. but: the one that ended the process."""
        found = [stats.last for stats in self.signals.values() if stats.last and stats.last != but]
        return sorted(found, key=lambda info: -info.monotonic_ns)

    def _signals_before(self, monotonic_ns: int, ending: SignalInfo | None = None) -> str:
        """``, 0.4 s after SIGHUP from PID 977 (user root, ...)``: the two that came last."""
        earlier = [i for i in self._newest_of_each(ending) if i.monotonic_ns <= monotonic_ns]
        if ending is not None and ending.ordinal:
            again = find(self.recording, ending.si_signo, ending.ordinal - 1)
            if again is not None:
                earlier.append(again)
        earlier.sort(key=lambda info: (info.si_signo in HARMLESS, -info.monotonic_ns))
        parts = []
        for info in earlier[:2]:
            count = self.signals[info.si_signo].delivered
            if ending is not None and info.si_signo == ending.si_signo:
                what = f"an earlier {self._from(info)}"
            else:
                what = self._from(info) + (f" (the last of {count:,})" if count > 1 else "")
            parts.append(f"{rounded_duration(monotonic_ns - info.monotonic_ns)} after {what}")
        return f", {' and '.join(parts)}" if parts else ""

    def _last_signal(self, words: str = "its last signal was") -> str:
        newest = self._newest_of_each()
        if not newest:
            return "; no signal is recorded"
        return f"; {words} {self._from(newest[0])}, at {self._clock(newest[0].time_ns)}"


def _or_root() -> str:
    if places.directories_closed_to_us():
        return "; root has recordings that only root can read: ask as root"
    if places.closed_to_root():
        return "; other users have recordings that root may not read here: it has no CAP_DAC_READ_SEARCH"
    return ""


def named(pid: int, argv: list[str], uid: int | None, width: int = 60) -> str:
    """``PID 977 (gunicorn app:app, uid 33)``; the uid only where another user reads this."""
    user = "" if uid in (None, os.geteuid()) else f"uid {uid}"
    what = ", ".join(filter(None, (shortened(typed(argv), width), user)))
    return f"PID {pid}" + (f" ({what})" if what else "")


def typed(argv: list[str]) -> str:
    """A command line as somebody would type it. Safe for a terminal."""
    argv = list(map(printable, argv))
    argv[:1] = map(without_folder, argv[:1])  # where python is says little
    return " ".join(argv)
