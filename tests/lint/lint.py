#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lints of the repository. Each finding is `file:line: what is wrong; what to do`.

    tests/lint/lint.py [--build DIR] [NAME...]

Without names all lints run. A lint is a generator of findings; its docstring is its title. The result is
TAP, so that ./test can count. --build names a configured build folder for the lints that compile.
"""

import argparse
import concurrent.futures
import functools
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Bottom to top: a folder of src/ may include itself and what stands before it ...
LAYERS = ["base", "wire", "crypto", "matrix", "db", "net", "store", "core", "media", "client", "push", "appservice", "admin", "main"]
# ... except that these, which are roles beside each other, may not. Allowed: (from, to).
ROLES = {"media", "client", "push", "appservice", "admin"}
ROLES_MAY = {("admin", "media")}

# Third-party headers have one home, so that replacing a library touches one folder.
HOMES = {
    "microhttpd.h": {"net"},
    "curl/": {"net"},
    "ares.h": {"net"},
    "zlib.h": {"net", "media"},  # media: in the sandboxed process, which links nothing of net
    "brotli/": {"media"},
    "sqlite3.h": {"db"},
    "libpq-fe.h": {"db"},
    "sodium.h": {"crypto"},
    "crypt.h": {"crypto"},
    "nettle/": {"crypto"},
    "unistr.h": {"crypto", "matrix"},
    "uninorm.h": {"crypto", "matrix"},
    "unicase.h": {"matrix"},
    "unictype.h": {"matrix"},
    "gnutls/": {"crypto", "net"},
    "yaml.h": {"wire"},
    "pcre2.h": {"wire"},
    "vips/": {"media"},
    "libxml/": {"media"},
    "seccomp.h": {"media"},
    "magic.h": {"media"},
    "systemd/": {"main"},
}

MAX_FILE_LINES = 1000
MAX_FUNCTION_LINES = 100
MAX_COLUMNS = 120  # clang-format keeps code within 100; this bounds comments and strings


def tracked(*patterns):
    """Files that git knows or could add, so that a lint sees new files before they are committed."""
    out = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        check=True, capture_output=True, text=True).stdout
    return sorted(p for p in {ROOT / name for name in out.split("\0") if name} if p.is_file())


def sources():
    return tracked("src/*.c", "src/*.h", "fuzz/*.c", "fuzz/*.h", "tests/*.c", "tests/*.h")


def lines(path):
    return enumerate(path.read_text(errors="replace").splitlines(), 1)


def at(path, line, text):
    return f"{path.relative_to(ROOT)}:{line}: {text}"


def folder_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def in_parallel(job, items):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for findings in pool.map(job, items):
            yield from findings


# --- what may include what ---

INCLUDE = re.compile(r'\s*#\s*include\s+([<"])([^>"]+)[>"]')


def may_include(here, there):
    if here == there:
        return True
    if LAYERS.index(there) > LAYERS.index(here):
        return False
    return not (here in ROLES and there in ROLES) or (here, there) in ROLES_MAY


@functools.cache
def test_headers():
    """Headers beside the code that only tests may include, because they include tests/support."""
    return {str(path.relative_to(ROOT / "src")) for path in tracked("src/*.h")
            if '#include "tests/' in path.read_text(errors="replace")}


def check_own_include(path, n, name):
    here, there = folder_of(path), name.split("/")[0]
    if "/" not in name:
        yield at(path, n, f'"{name}" has no folder; write "folder/{name}"')
    elif there == "tests" or name in test_headers():
        if not path.name.endswith("_test.c") and path.suffix == ".c":
            yield at(path, n, f'"{name}" is for tests; move what is shared into src/')
    elif there not in LAYERS:
        yield at(path, n, f'"{name}" is in no layer; add the folder to LAYERS in tests/lint/lint.py')
    elif not may_include(here, there):
        yield at(path, n, f'{here}/ may not include {there}/; move the code down or pass it a function')
    elif name.endswith("_internal.h") and here != there:
        yield at(path, n, f'"{name}" is private to {there}/; use its public header')


def check_foreign_include(path, n, name):
    for prefix, homes in HOMES.items():
        if name.startswith(prefix) and folder_of(path) not in homes:
            yield at(path, n, f'<{name}> belongs to {" and ".join(sorted(homes))}; use the interface there')


def lint_layers():
    """a folder includes only the layers beneath it"""
    for path in tracked("src/*.c", "src/*.h"):
        for n, text in lines(path):
            match = INCLUDE.match(text)
            if match and match[1] == '"':
                yield from check_own_include(path, n, match[2])


def lint_homes():
    """each third-party header is included in its one home"""
    for path in tracked("src/*.c", "src/*.h"):
        if path.name.endswith("_test.c"):
            continue
        for n, text in lines(path):
            match = INCLUDE.match(text)
            if match and match[1] == "<":
                yield from check_foreign_include(path, n, match[2])


def lint_statements():
    """each statement of store/ is in its module's list, so that the test of plans sees it"""
    for path in tracked("src/store/*.c"):
        text = path.read_text()
        listed = re.search(r"(?:STATEMENTS\(|_statements\[\] = \{)(.*?)(?:\);|\};)", text, re.S)
        known = set(re.findall(r"&(\w+)", listed[1])) if listed else set()
        for n, line in lines(path):
            found = re.match(r"static const struct sql (\w+) =", line)
            if found and found[1] not in known and not path.name.endswith("_test.c"):
                yield at(path, n, f"{found[1]} is not in the module's STATEMENTS")


# --- what has to stand in a list, since nothing registers itself ---

def defined(pattern, *where):
    """Names that the pattern's group finds in the sources (not tests): {name: (path, line)}."""
    return {match[1]: (path, n) for path in tracked(*where) if not path.name.endswith("_test.c")
            for n, text in lines(path) if (match := re.match(pattern, text))}


def not_listed(found, listed, advice):
    for name in sorted(found.keys() - listed):
        yield at(*found[name], f"{name} {advice}")


def lint_store_modules():
    """each module with STATEMENTS is in STORE_MODULES, so that the test of plans sees it"""
    modules = defined(r"STATEMENTS\((\w+),?", "src/store/*.c")
    modules |= defined(r"const struct sql \*const (\w+)_statements\[\] =", "src/store/*.c")
    listed = set(re.findall(r"X\((\w+)\)", (ROOT / "src/store/statements.h").read_text()))
    yield from not_listed(modules, listed, "is not in STORE_MODULES; add it in src/store/statements.h")


def lint_route_tables():
    """each table of routes is added to the router"""
    tables = defined(r"const struct route (\w+)\[\] =", "src/*.c")
    listed = {name for path in tracked("src/*.c") for text in path.read_text().splitlines() if " =" not in text
              for name in re.findall(r"\b\w+_routes\b", text)}
    yield from not_listed(tables, listed, "is added nowhere; add it where its folder's tables are listed (routes.c)")


# --- what the text looks like ---

def lint_banned():
    """banned C library functions are not named"""
    header = ROOT / "src/base/banned.h"
    instead = dict(re.findall(r"#define (\w+)\(\.\.\.\)\s+banned_use_(\w+)", header.read_text()))
    # Not members (x->rand), and not inside longer names.
    call = re.compile(r"(?<![\w>.])(%s)\s*\(" % "|".join(instead))
    for path in sources():
        if path == header:
            continue
        for n, text in lines(path):
            for match in call.finditer(re.sub(r'/\*.*?\*/|^\s*/?\*.*|"(\\.|[^"\\])*"', '""', text)):
                yield at(path, n, f"{match[1]}() is banned; use {instead[match[1]]}")


def lint_format():
    """clang-format agrees"""
    if not shutil.which("clang-format"):
        yield "clang-format is missing; install what scripts/packages-test.txt lists"
        return

    def check(path):
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", path], capture_output=True, text=True)
        if done.returncode:
            first = re.search(r":(\d+):\d+: error", done.stderr)
            yield at(path, first[1] if first else 1, "format differs; run clang-format -i on the file")
    yield from in_parallel(check, sources())


def lint_braces():
    """every branch and loop has braces"""
    # clang-format 14 cannot insert them. A condition whose parentheses close on its line must open one.
    start = re.compile(r"^\s*(?:\} )?(?:else )?(?:if|for|while|list_for_each|vec_for_each) ?\(")
    for path in sources():
        in_macro = False
        for n, text in lines(path):
            was_macro, in_macro = in_macro, text.endswith("\\")
            code = re.sub(r'"(\\.|[^"\\])*"' + r"|'(\\.|[^'\\])'|/\*.*|//.*|^\s*\*.*", "", text).rstrip(" \\")
            if was_macro or code.lstrip().startswith("#"):
                continue
            bare_else = re.search(r"\belse$", code)
            closed = start.match(code) and code.count("(") == code.count(")")
            if bare_else or (closed and not code.endswith("{") and not code.lstrip().startswith("} while")):
                yield at(path, n, "branch without braces; add { }")


def lint_lines():
    """no tab, trailing space, over-long line or note to self"""
    note = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for path in sources():
        for n, text in lines(path):
            if "\t" in text or text != text.rstrip():
                yield at(path, n, "tab or trailing space; run clang-format -i on the file")
            if len(text) > MAX_COLUMNS:
                yield at(path, n, f"{len(text)} columns; break the comment or string")
            if note.search(text):
                yield at(path, n, "note to self; do it, or open an issue")


# What may stand between quotation marks is quoted from the specification, or a user's data.
QUOTED = re.compile(r'"[^"]*"|`[^`]*`|“[^”]*”')
COMMENTS = {
    ".c": re.compile(r'"(?:\\.|[^"\\\n])*"|(?P<comment>/\*.*?\*/|//[^\n]*)', re.S),
    ".py": re.compile(r"(?P<comment>(?:(?<=\s)|^)#[^\n]*|(?<=:\n    )\"\"\"[^\n]*)", re.M),
    ".md": re.compile(r"(?P<comment>.+)", re.S),
}
COMMENTS |= {".h": COMMENTS[".c"], ".mjs": re.compile(r"(?P<comment>(?:(?<=\s)|^)(?:/\*.*?\*/|//[^\n]*))", re.S | re.M),
             ".sh": COMMENTS[".py"], "": COMMENTS[".py"], ".1": COMMENTS[".md"]}


def lint_people():
    """people are "they" in comments and documents"""
    word = re.compile(r"\b(he|him|his|himself|she|her|hers|herself)\b", re.I)
    # Not .sql: migrations stay as they were applied, and schema.sql is what they make.
    for path in tracked("src", "fuzz", "tests", "docs", "scripts", "README.md", "run", "test"):
        comments = COMMENTS.get(path.suffix)
        if not comments:
            continue
        text = path.read_text(errors="replace")
        for comment in comments.finditer(text):
            said = QUOTED.sub(lambda quoted: re.sub(r"[^\n]", " ", quoted[0]), comment["comment"] or "")
            for match in word.finditer(said):
                n = text.count("\n", 0, comment.start("comment") + match.start()) + 1
                yield at(path, n, f'"{match[0]}" for a person; write "they" (or say who)')


def lint_licence():
    """each source file begins with its licence"""
    for path in sources() + tracked("*.sh", "*.mjs", "*.py", "run", "test", ".ci/run"):
        head = path.read_text(errors="replace").splitlines()[:2]
        if not any("SPDX-License-Identifier: Apache-2.0" in text for text in head):
            yield at(path, 1, "no licence; begin with SPDX-License-Identifier: Apache-2.0")


def lint_size():
    """no file is longer than 1000 lines"""
    for path in sources() + tracked("*.mjs", "*.py"):
        n = len(path.read_text(errors="replace").splitlines())
        if n > MAX_FILE_LINES:
            yield at(path, n, f"{n} lines; split the file at its seams (at most {MAX_FILE_LINES})")


def functions(path):
    """(name, first line, length) of each function; clang-format puts both braces in column 0."""
    start = name = None
    for n, text in lines(path):
        if text == "{":
            start = n
        elif text.startswith("}") and start:
            yield name, start, n - start + 1
            start = None
        elif not start and (match := re.match(r"[a-z_].*?(\w+)\(", text)):
            name = match[1]


def print_long_functions():
    long = [(length, at(path, n, f"{name}() has {length} lines"))
            for path in tracked("src/*.c") for name, n, length in functions(path) if length > MAX_FUNCTION_LINES]
    for _, text in sorted(long, reverse=True):
        print(f"# long function: {text}")


def lint_folders():
    """each folder of src/ tells what it is"""
    for folder in sorted({path.parent for path in tracked("src/*.c", "src/*.h")}):
        if folder != ROOT / "src" and not (folder / "README.md").is_file():
            yield at(folder / "README.md", 1, "missing; say in ten lines what the folder is for")


def lint_shell():
    """shell scripts pass their checks"""
    for path in tracked("*.sh", "run", "test", ".ci/run"):
        checker = ["shellcheck", "-f", "gcc"] if shutil.which("shellcheck") else ["bash", "-n"]
        done = subprocess.run([*checker, path], capture_output=True, text=True)
        if done.returncode:
            yield from (done.stdout + done.stderr).replace(f"{ROOT}/", "").splitlines()


# --- what the compiler says ---

def compile_commands(build):
    for entry in json.loads((pathlib.Path(build) / "compile_commands.json").read_text()):
        yield (pathlib.Path(entry["directory"]) / entry["file"]).resolve(), entry


def without_output(command):
    """The flags of a compile command, without what it reads and writes."""
    flags, words = [], iter(shlex.split(command))
    for word in words:
        if word in ("-o", "-MF", "-MQ", "-MT", "-c"):
            next(words)
        elif word not in ("-MD", "-MMD", "ccache"):
            flags.append(word)
    return flags


def check_syntax(arguments, directory, text=None):
    done = subprocess.run([*arguments, "-fsyntax-only", "-Werror", "-fdiagnostics-color=never"],
                          cwd=directory, input=text, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if re.search(r": (fatal )?error: ", line)]
        yield from (re.sub(r"^(\.\./)+", "", line) for line in lines or [done.stderr])


def lint_warnings(build):
    """sources compile without a warning"""
    def check(item):
        path, entry = item
        yield from check_syntax([*without_output(entry["command"]), str(path)], entry["directory"])
    # Not what the build generates: it may not be there yet.
    ours = [c for c in compile_commands(build) if pathlib.Path(build).resolve() not in c[0].parents]
    yield from in_parallel(check, ours)


def flags_by_folder(build):
    by_folder = {}
    for path, entry in compile_commands(build):
        flags = [f for f in without_output(entry["command"]) if "banned.h" not in f and f != "-include"]
        by_folder.setdefault(path.parent, (flags, entry["directory"]))
    return by_folder


def lint_headers(build):
    """each header compiles alone"""
    flags = flags_by_folder(build)

    def check(path):
        if path.parent in flags:
            arguments, directory = flags[path.parent]
            yield from check_syntax([*arguments, "-x", "c", "-Wno-unused", "-"], directory, f'#include "{path}"\n')
    # banned.h is for the command line only.
    yield from in_parallel(check, [p for p in tracked("src/*.h") if p.name != "banned.h"])


# --- what the program says of itself ---

def manual():
    """What the man page says of each command: {name: text, without markup}."""
    section = (ROOT / "docs/ingot.1").read_text().split(".SH COMMANDS")[1].split(".SH")[0]
    text = re.sub(r"\\f[A-Z]|\"", "", section.replace("\\-", "-"))
    items = [re.sub(r"^\.\w+ ", "", item) for item in text.split(".TP\n")[1:]]
    name = re.compile(r"[a-z][a-z-]*(?: [a-z][a-z-]*)?")
    return {name.match(words)[0]: item for item in items for words in item.splitlines()[0].split(", ")}


def help_names(program, pattern, *words):
    """What `ingot WORDS --help` lists that begins with the pattern."""
    done = subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True)
    return set(re.findall(rf"^  ({pattern})(?: |$)", done.stdout, re.M))


def lint_manual(build):
    """the man page has each command with its options, and no others"""
    program, page, said = pathlib.Path(build) / "ingot", ROOT / "docs/ingot.1", manual()
    if not program.exists():
        yield f"{program} is not built; run ninja -C {build}"
        return
    commands = help_names(program, r"[a-z][a-z-]*(?: [a-z][a-z-]*)?") | {"help"}
    for name in sorted(commands ^ said.keys()):
        yield at(page, 1, f"`ingot {name}` is described but no command" if name in said
                 else f"`ingot {name}` is missing; describe it under COMMANDS")
    for name in sorted(commands & said.keys() - {"help"}):
        options = help_names(program, r"--[a-z-]+", *name.split()) - {"--config", "--json", "--help"}
        yield from (at(page, 1, f"`ingot {name}` does not tell of {option}")
                    for option in sorted(options) if option not in said[name])


NEED_BUILD = {"warnings", "headers", "manual"}


def main():
    lints = {name[5:]: fn for name, fn in globals().items() if name.startswith("lint_")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", help="a configured build folder")
    parser.add_argument("names", nargs="*", choices=[[], *lints], help="lints to run; all if none is given")
    args = parser.parse_args()
    failed = 0
    for name in args.names or lints:
        if name in NEED_BUILD and not args.build:
            print(f"ok - {name} # SKIP no --build")
            continue
        findings = list(lints[name](args.build) if name in NEED_BUILD else lints[name]())
        failed += bool(findings)
        print(f"{'not ok' if findings else 'ok'} - {name}: {lints[name].__doc__}", flush=True)
        for finding in findings:
            print(f"    {finding}")
    print_long_functions()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
