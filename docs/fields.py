"""Our docstrings list arguments as ``name: text``; Sphinx wants fields."""

import inspect
import re


def fields(what, obj, lines):
    """The same lines, with fields. What begins with the name of a parameter and a colon, at the
    beginning of a paragraph or after another such, is one; it goes on to the paragraph's end."""
    try:
        parameters = set(inspect.signature(obj).parameters)
    except (TypeError, ValueError):
        parameters = set()
    made = []
    begins, within = True, False  # a paragraph; a field
    for line in lines:
        match = re.match(r"([a-z_]+(?:, [a-z_]+)*): (.*)", line)
        if match and (begins or within) and set(match[1].split(", ")) <= parameters:
            if not within and made and made[-1]:
                made.append("")
            made.append(f":param {match[1]}: {match[2]}")
            within = True
        elif within and line:
            made.append(f"    {line.strip()}")
        else:
            within = False
            made.append(line)
        begins = not line
    return made
