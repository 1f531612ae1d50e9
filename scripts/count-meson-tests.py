#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts test cases in Meson's testlog.json: what a cmocka program reports, or one for any other program.

Prints the relevant lines of each failure and last `PASSED FAILED`.
"""

import json
import re
import sys

GOOD = {"OK", "EXPECTEDFAIL"}
IGNORED = {"SKIP"}
LINES_SHOWN = 60


def cases(output, word):
    return sum(int(n) for n in re.findall(r"\[\s*%s\s*\] (\d+) test\(s\)" % word, output))


def relevant(output):
    """From the first sign of trouble on, without the cases that passed."""
    lines = [line for line in output.splitlines() if not re.match(r"\[ (RUN     |      OK) \]", line)]
    trouble = re.compile(r"ERROR|FAILED|runtime error|WARNING: Thread|bug:|error")
    first = next((i for i, line in enumerate(lines) if trouble.search(line)), 0)
    return lines[max(first - 5, 0):][:LINES_SHOWN]


def main():
    passed = failed = 0
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        tests = [json.loads(line) for line in log]
    for test in tests:
        output = (test.get("stdout") or "") + (test.get("stderr") or "")
        if test["result"] in IGNORED:
            continue
        is_good = test["result"] in GOOD
        bad_cases = cases(output, "FAILED")
        passed += cases(output, "PASSED") or (1 if is_good else 0)
        if not is_good:
            failed += bad_cases or 1  # crashed or timed out
            print(f"{test['name']}: {test['result']}")
            print("".join(f"    {line}\n" for line in relevant(output)), end="")
    print(passed, failed)


if __name__ == "__main__":
    main()
