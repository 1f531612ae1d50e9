#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the migrations as a C table: embed.py OUTPUT MIGRATION.sql…"""
import pathlib
import sys


def literal(line):
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


out = ['#include "store/store_internal.h"', "", "const struct db_migration store_migrations[] = {"]
for path in sorted(map(pathlib.Path, sys.argv[2:]), key=lambda p: p.name):
    number, _, topic = path.stem.partition("_")
    out.append(f'    {{{int(number)}, "{topic}",')
    out += ["        " + literal(line) for line in path.read_text().splitlines()]
    out.append("    },")
out += ["};", f"const size_t store_migrations_n = {len(sys.argv) - 2};", ""]
pathlib.Path(sys.argv[1]).write_text("\n".join(out))
