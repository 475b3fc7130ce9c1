"""Text, made fit for terminals, JSON and people."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with each character escaped that a terminal could act on, or that cannot be printed:
    a process can give itself any name."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(c: str) -> str:
    if "\udc80" <= c <= "\udcff":  # a byte that is not UTF-8, as os.fsdecode() has it
        return f"\\x{ord(c) - 0xDC00:x}"
    return c.encode("unicode_escape", "surrogatepass").decode()


def without_folder(name: str) -> str:
    """The program's name without the folder where it is. A title that a process has given itself, as
    ``nginx: master process /usr/sbin/nginx`` or ``sshd: root@pts/0``, stays whole."""
    folder, slash, _ = name.partition(" ")[0].rpartition("/")
    return name[len(folder) + len(slash) :]


def shortened(text: str, width: int) -> str:
    """At most that many characters of it.
    Who sets its title fills its command line with blanks, as redis-server does."""
    text = text.rstrip()
    return text if len(text) <= width else text[: width - 1] + "…"


def wrapped(text: str, width: int, head: str = "") -> list[str]:
    """The text as lines of at most that many characters. The first line begins with head, each
    other one with as many spaces. A longer word stays whole, so that it can be copied. (To import
    textwrap takes longer than all that `sigrec stats` does.)"""
    lines = [head]
    room = width - len(head)
    for word in text.split():
        if room < len(word) and room < width - len(head):
            lines.append(" " * len(head))
            room = width - len(head)
        lines[-1] += word + " "
        room -= len(word) + 1
    return [line.rstrip() for line in lines]


def number(n: int) -> str:
    return f"{n:,}"


def whole(text: str) -> int | None:
    """The number that the text stands for, if it consists of the digits 0 to 9 and fits into 64
    bits; None: it is no such number."""
    digits = text.isdecimal() and text.isascii() and len(text) <= 19
    return int(text) if digits else None


def json_text(text: str) -> str:
    """The text without lone surrogates, which JSON readers refuse."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
