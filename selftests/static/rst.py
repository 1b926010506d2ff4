#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Parse reStructuredText files; any warning is an error.

What Sphinx adds to the language (:ref:, toctree, kernel-doc ...) is accepted
without a look at its arguments.
"""

import sys

from docutils import core, nodes, utils
from docutils.parsers.rst import Directive, directives, roles

ROLES = ("ref", "doc", "term", "manpage", "c:func", "c:type", "c:macro", "c:struct")
DIRECTIVES = ("toctree", "kernel-doc", "only", "index", "versionadded", "seealso")


def role(_name, rawtext, text, _lineno, _inliner, _options=None, _content=None):
    """Whatever Sphinx would make of it, here it is text."""
    return [nodes.literal(rawtext, text)], []


class Anything(Directive):
    """A directive whose contents are not looked at."""

    has_content = True
    optional_arguments = 100
    final_argument_whitespace = True
    option_spec = None

    def run(self):
        return []


def main(files):
    """Return 1 if one of the files does not parse."""
    for name in ROLES:
        roles.register_local_role(name, role)
    for name in DIRECTIVES:
        directives.register_directive(name, Anything)
    status = 0
    for file in files:
        with open(file, encoding="utf-8") as source:
            text = source.read()
        try:
            core.publish_string(
                text,
                source_path=file,
                writer_name="null",
                settings_overrides={"report_level": 2, "halt_level": 2},
            )
        except utils.SystemMessage:
            # The message itself is already on stderr.
            status = 1
    return status


sys.exit(main(sys.argv[1:]))
