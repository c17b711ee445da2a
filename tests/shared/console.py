"""Output of the console command: the scores of a model for tables, and the sentence about a mistake."""

import re

from cbackprop.cli import main


def score(printed, name):
    """The model's score of that name and the trivial one, as printed."""
    found = re.search(rf"^ {name} +(\S+) +(\S+) *$", printed, re.MULTILINE)
    return float(found[1]), float(found[2])


def assert_refused(arguments, message, capsys):
    """The command ends with code 2 and one sentence that holds the message, and prints nothing else."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.startswith("cbackprop: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
