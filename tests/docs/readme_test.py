#!/usr/bin/env python3
"""Holds the documents against the program: usage `readme_test.py MILLRACE_BINARY`.

Every fenced `sh` command of README.md and runbooks/ has to be one that runs: scripts exist and accept `--help`,
`millrace` commands that need no broker are run. Every fenced `yaml` block that holds a whole pipeline passes
`millrace check`. Every relative link leads to a file.
"""

import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(sys.argv[1]).resolve()
OFFLINE = {"check", "graph", "knobs", "version", "eval"}
passed = 0
failures = []


def verdict(ok, what):
    global passed
    if ok:
        passed += 1
    else:
        failures.append(what)


def run(arguments, cwd=ROOT):
    return subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def check_command(place, line):
    words = shlex.split(line, comments=True)
    if not words:
        return
    program = words[0]
    if program.startswith("scripts/"):
        path = ROOT / program
        verdict(path.exists() and path.stat().st_mode & 0o111, f"{place}: {program} is no program of this repository")
        if path.exists():
            verdict(run([str(path), "--help"]).returncode == 0, f"{place}: {program} --help fails")
    elif program.endswith("millrace") and len(words) > 1:
        help_run = run([str(BINARY), words[1], "--help"])
        verdict(help_run.returncode == 0, f"{place}: millrace has no command {words[1]}")
        needs_broker = words[1] not in OFFLINE or "--connect" in words
        if not needs_broker and not any(mark in line for mark in "|<>"):
            result = run([str(BINARY), *words[1:]])
            verdict(result.returncode == 0, f"{place}: `{line}` ends with {result.returncode}: {result.stderr[:300]}")


def check_yaml(place, text):
    if "pipeline:" not in text or "destinations:" not in text:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=ROOT / "config") as file:
        file.write(text)
        file.flush()
        result = run([str(BINARY), "check", file.name])
        said = result.stdout + result.stderr
        verdict(result.returncode == 0, f"{place}: the pipeline does not pass the check: {said}")


def check_document(path):
    text = path.read_text()
    place = path.relative_to(ROOT)
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S):
        if language == "sh":
            for line in block.splitlines():
                check_command(place, line.removeprefix("$ "))
        elif language == "yaml":
            check_yaml(place, block)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)):
        if "://" not in target and not target.startswith("mailto:"):
            verdict((path.parent / target).exists(), f"{place}: the link {target} leads nowhere")


documents = [ROOT / "README.md", ROOT / "src/README.md", *sorted((ROOT / "runbooks").rglob("*.md"))]
for document in documents:
    if document.exists():
        check_document(document)
if passed == 0:
    failures.append("no command, pipeline or link was found: the documents or this test are broken")
for failure in failures:
    print(f"FAILED {failure}")
print(f"{passed} passed, {len(failures)} failed")
sys.exit(1 if failures else 0)
