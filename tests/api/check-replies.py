#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds recorded answers (INGOT_RECORD of the harness) against the OpenAPI files of the specification.

    check-replies.py SPEC/data/api/client-server RECORD...

Prints each kind of difference once, with how often it occurred and one example; exit status 1 if there is any.
"""

import collections
import json
import pathlib
import re
import sys
import urllib.parse

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """Leaves timestamps alone: they are strings in schemas."""


Loader.yaml_implicit_resolvers = {
    k: [r for r in v if r[0] != "tag:yaml.org,2002:timestamp"] for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
files = {}


def load(path):
    if path not in files:
        files[path] = yaml.load(path.read_text(encoding="utf-8"), Loader)
    return files[path]


def resolved(node, path, depth=0):
    """The schema with its references written out; beyond a depth anything is allowed."""
    if depth > 40:
        return True
    if isinstance(node, list):
        return [resolved(n, path, depth + 1) for n in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        file, _, pointer = node["$ref"].partition("#")
        target = (path.parent / file).resolve() if file else path
        found = load(target)
        for part in filter(None, pointer.split("/")):
            found = found[part]
        return resolved(found, target, depth + 1)
    return {k: resolved(v, path, depth + 1) for k, v in node.items() if k not in ("example", "examples", "format")}


def operations(folder):
    """(method, regex of the path, number of parameters, {status: validator or None})"""
    for path in sorted(folder.glob("*.yaml")):
        document = load(path)
        servers = document.get("servers") or [{}]
        base = servers[0].get("variables", {}).get("basePath", {}).get("default", "")
        for template, methods in document.get("paths", {}).items():
            regex = re.compile("".join("[^/]*" if p.startswith("{") else re.escape(p) for p in re.split(r"(\{\w+\})", base + template)) + "$")
            for method, operation in methods.items():
                if method not in ("get", "put", "post", "delete"):
                    continue
                statuses = {}
                for status, response in operation.get("responses", {}).items():
                    response = resolved(response, path)
                    schema = response.get("content", {}).get("application/json", {}).get("schema")
                    statuses[int(status)] = jsonschema.Draft202012Validator(schema) if schema else None
                yield method.upper(), regex, template.count("{"), base + template, statuses


def main():
    table = sorted(operations(pathlib.Path(sys.argv[1]).resolve()), key=lambda o: o[2])
    differences, hit = collections.Counter(), set()
    examples = {}
    for record in sys.argv[2:]:
        for line in open(record, encoding="utf-8"):
            exchange = json.loads(line)
            path = urllib.parse.urlsplit(exchange["target"]).path.replace("/r0/", "/v3/", 1)
            operation = next((o for o in table if o[0] == exchange["method"] and o[1].match(path)), None)
            if not operation:
                continue
            name = f"{operation[0]} {operation[3]}"
            status, body = exchange["status"], exchange.get("body")
            hit.add(name)
            validator = operation[4].get(status)
            if status >= 400 and not validator:
                continue  # any error may come from anywhere; its form is checked by the tests themselves
            if status not in operation[4]:
                found = [f"status {status} is not in the specification"]
            else:
                found = [f"{'/'.join(re.sub(r'[!@$#].*|^[0-9]+$', '*', str(p)) for p in e.absolute_path)}: {e.message[:160]}" for e in validator.iter_errors(body)] if validator else []
            for difference in found:
                key = f"{name} {status} {re.sub(chr(39) + r'[@!$#].*?' + chr(39), '…', difference)}"
                differences[key] += 1
                examples.setdefault(key, json.dumps(body)[:300])
    for key, count in differences.most_common():
        print(f"{count:6} {key}\n       {examples[key]}")
    print(f"{len(hit)} operations seen, {len(differences)} kinds of difference")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
