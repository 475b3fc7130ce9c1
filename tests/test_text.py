"""Text made fit for people."""

import random
import textwrap

from sigrec._text import printable, shortened, without_folder, wrapped


def test_a_byte_that_is_no_text_is_shown_as_a_byte():
    """As os.fsdecode() has it; what no file name can give stays as it is."""
    assert printable("\udcff\udc80\ud800\x1bé") == "\\xff\\x80\\ud800\\x1bé"


def test_blanks_behind_a_title_are_not_shown():
    assert shortened("redis-server *:6379" + " " * 99, 60) == "redis-server *:6379"


def test_a_title_is_no_path():
    for title in (
        "nginx: worker process",
        "nginx: master process /usr/sbin/nginx -c /etc/x",
        "sshd: a@pts/0",
    ):
        assert without_folder(title) == title
    for path in ("/usr/sbin/nginx", "./nginx", "nginx"):
        assert without_folder(path) == "nginx"
    assert without_folder("/usr/bin/nginx -c /etc/x") == "nginx -c /etc/x"


def test_wrapped_does_as_textwrap():
    chosen = random.Random(1)
    for _ in range(500):
        words = ["x" * chosen.choice([1, 2, 3, 5, 13, 40]) for _ in range(chosen.randint(1, 20))]
        text, width, head = " ".join(words), chosen.randint(12, 40), "h" * chosen.randint(0, 9)
        assert wrapped(text, width, head) == textwrap.wrap(
            text, width, initial_indent=head, subsequent_indent=" " * len(head),
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
