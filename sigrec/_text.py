"""Text made fit for whoever reads it: a terminal, JSON, people."""

from __future__ import annotations


def printable(text: str) -> str:
    """With every character that a terminal could act on, or that cannot be printed, escaped.
    A process can name itself anything."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def wrapped(text: str, width: int, head: str = "") -> list[str]:
    """Lines of at most that many characters: the first one begins with head, each other with as many
    spaces. A word that is longer stays whole, so that it can be copied. (textwrap takes longer to be
    imported than `sigrec stats` to find what it prints.)"""
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
    """The number that the text is: digits 0 to 9 alone, and no more than 64 bits hold; None: it
    is no such number."""
    digits = text.isdecimal() and text.isascii() and len(text) <= 19
    return int(text) if digits else None


def json_text(text: str) -> str:
    """Without lone surrogates, which JSON readers refuse."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
