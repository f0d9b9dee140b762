# SPDX-License-Identifier: GPL-2.0-or-later
"""yum_stand_in.py [--installroot DIR] [--tsflags test] [--broken] PLUGIN MEMBER...

Does what yum 3 does with a plugin: loads it beside a module yum.plugins of its own,
looks at its API version and type, and runs its posttrans_hook at the end of a
transaction. A member is STATE:NAME:ARCH:EPOCH:VERSION:RELEASE. Runs under
Python 2.7 and 3.
"""

from __future__ import print_function

import argparse
import imp
import sys
import types

API_VERSION = "2.7"  # of yum 3.4


class Member(object):
    def __init__(self, text):
        (self.ts_state, self.name, self.arch, self.epoch, self.version,
         self.release) = text.split(":")
        self.updates = []


class TransactionInfo(object):
    def __init__(self, members):
        self.members = members

    def getMembers(self):
        return self.members


class Conf(object):
    def __init__(self, options):
        self.installroot = options.installroot
        self.tsflags = options.tsflags


class Conduit(object):
    """What a plugin may ask of yum; debug level 2 is what a user sees."""

    def __init__(self, options):
        self.options = options

    def getTsInfo(self):
        if self.options.broken:
            raise ValueError("a conduit that fails")
        return TransactionInfo([Member(text) for text in self.options.member])

    def getConf(self):
        return Conf(self.options)

    def info(self, level, message):
        if level <= 2:
            print(message)

    def error(self, level, message):
        if level <= 2:
            print(message, file=sys.stderr)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("plugin")
    parser.add_argument("member", nargs="*")
    parser.add_argument("--installroot", default="/")
    parser.add_argument("--tsflags", action="append", default=[])
    parser.add_argument("--broken", action="store_true")
    return parser.parse_args()


def main():
    options = parse()
    plugins = types.ModuleType("yum.plugins")
    plugins.TYPE_CORE, plugins.TYPE_INTERACTIVE = 0, 1
    sys.modules["yum"] = types.ModuleType("yum")
    sys.modules["yum"].plugins = sys.modules["yum.plugins"] = plugins
    plugin = imp.load_source("plugin", options.plugin)
    wanted = [int(part) for part in plugin.requires_api_version.split(".")]
    have = [int(part) for part in API_VERSION.split(".")]
    # The same major version, and not a newer minor one.
    if wanted[0] != have[0] or wanted[1] > have[1] or plugin.plugin_type != (plugins.TYPE_CORE,):
        sys.exit("yum would not load this plugin")
    plugin.posttrans_hook(Conduit(options))
    print("Complete!")


if __name__ == "__main__":
    main()
