#!/usr/bin/env python3
"""Alerts, scraping example, dashboard and their pages: usage `prometheus_test.py MILLRACE_BINARY`.

promtool reads the rules, the example and every expression of the dashboard; the rules say what they should to planted
series. Each alert has its page and each page its alert; every exit code has its page; every knob is named on a page
that says when to turn it. Every metric that an expression names is one of the program's.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(sys.argv[1]).resolve()
RULES = ROOT / "config/prometheus/millrace.rules.yml"
HEADINGS = ["Symptom", "Look at", "Turn", "It helped when"]
EXIT_HEADINGS = ["Look at", "What to do", "It helped when"]
# Tables to look things up in: nobody comes to them with a symptom.
LISTS = {"tuning/knobs.md", "tuning/history.md"}
failures = []
passed = 0


def verdict(ok, what):
    global passed
    if ok:
        passed += 1
    else:
        failures.append(what)


def promtool(*words):
    path = f"{ROOT}/build/deps/bin:{os.environ['PATH']}"
    tool = shutil.which("promtool", path=path)
    if not tool:
        sys.exit("prometheus_test: no promtool; run scripts/setup")
    done = subprocess.run([tool, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    verdict(done.returncode == 0, f"promtool {' '.join(map(str, words))}:\n{done.stdout}{done.stderr}")


def alerts():
    return {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


def dashboard_expressions():
    dashboard = json.loads((ROOT / "config/grafana/millrace.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    verdict(len(found) > 20, "the dashboard has hardly an expression")
    return found


def check_dashboard(expressions):
    # As rules, so that promtool reads them; Grafana's variables stand for what they become.
    rules = [
        {"record": f"panel:{i}", "expr": text.replace("$__rate_interval", "1m").replace("$pipeline", ".*")}
        for i, text in enumerate(expressions)
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        promtool("check", "rules", file.name)


def check_names(expressions):
    known = set()
    for line in (ROOT / "tests/metrics/names.txt").read_text().splitlines():
        kind, name, *_ = line.split()
        known |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    for text in expressions:
        for name in re.findall(r"\bmillrace_[a-z_]+", text):
            verdict(name in known, f"no metric {name}, as in {text}")


def check_pages():
    folder = ROOT / "runbooks/alerts"
    index = (folder / "README.md").read_text()
    pages = {path.stem for path in folder.glob("*.md")} - {"README"}
    verdict(pages == set(alerts()), f"pages and alerts differ: {pages ^ set(alerts())}")
    for name, rule in alerts().items():
        verdict(rule["annotations"]["runbook"] == f"runbooks/alerts/{name}.md", f"{name}: another runbook")
        verdict(f"({name}.md)" in index, f"{name} is not in the list of alerts")
    questions = ROOT / "runbooks/tuning"
    for path in [*folder.glob("*.md"), *questions.glob("*.md")]:
        if path.name != "README.md" and f"{path.parent.name}/{path.name}" not in LISTS:
            check_headings(path, HEADINGS)
    index = (questions / "README.md").read_text()
    for path in questions.glob("*.md"):
        verdict(path.name == "README.md" or f"({path.name})" in index, f"tuning/{path.name} is not in its list")
    for code in re.findall(r"^  \w+ = (\d+),", (ROOT / "src/base/error.h").read_text(), re.M):
        page = ROOT / f"runbooks/exit-codes/{code}.md"
        verdict(page.exists(), f"exit code {code} has no page")
        if page.exists():
            check_headings(page, EXIT_HEADINGS)


def check_headings(path, wanted):
    """Each of them once, in this order, and something below it; others may stand between them."""
    parts = re.split(r"^## (.+)$", path.read_text(), flags=re.M)[1:]
    found = [title for title in parts[::2] if title in wanted]
    verdict(found == wanted, f"{path.parent.name}/{path.name}: headings {parts[::2]}, wanted {wanted}")
    empty = [title for title, text in zip(parts[::2], parts[1::2]) if not text.strip()]
    verdict(not empty, f"{path.parent.name}/{path.name}: nothing below {empty}")


def check_advice():
    """Each kind of advice stands in the table of the tuning pages, with a page that is there; and no other does."""
    code = (ROOT / "src/status/advice.cc").read_text()
    kinds = re.search(r"kNames = \{([^}]+)\}", code).group(1)
    kinds = set(re.findall(r'"(\w+)"', kinds))
    verdict(len(kinds) > 12, "hardly a kind of advice")
    folder = ROOT / "runbooks/tuning"
    table = (folder / "README.md").read_text().split("| advice | what it means | page |")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", table, re.M))
    verdict(set(rows) == kinds, f"tuning/README.md: kinds of advice differ: {set(rows) ^ kinds}")
    for kind, cell in rows.items():
        link = re.search(r"\(([^)]+\.md)\)", cell)
        known = link and (folder / link.group(1)).exists() or kind == "healthy"
        verdict(known, f"tuning/README.md: the advice {kind} leads to no page")


def check_states():
    """Each state, and what each reason of a wait begins with, stands on the page of states, and nothing else does."""
    page = (ROOT / "runbooks/reference/states.md").read_text()
    said = set(re.findall(r"^\| ((?:`[^`]+`(?:, | \(in the text\) )?)+)", page, re.M))
    named = {name for cell in said for name in re.findall(r"`([^`]+)`", cell)} - {"consumer group:"}
    code = "".join(path.read_text() for at in ("pipeline", "kafka") for path in (ROOT / "src" / at).glob("*.cc"))
    for name in named:
        verdict(f'"{name}' in code or f" {name} " in code, f"states.md: nothing in the code says `{name}`")
    states = re.findall(r"case (?:Worker|Group)State::\w+:\s+return \"(\w+)\"", code)
    verdict(len(states) == 14, f"{len(states)} states")
    reasons = re.findall(r'\b(?:back_off|abort_and|call_failed|(?<!_)failed)\((?:[\w:.()]+, )*"([^":]+)', code)
    verdict(len(reasons) > 12, "hardly a reason")
    # These stand in the text behind another reason.
    within = {"aborting", "beginning a transaction", "asking for topics", "the producer failed"}
    within |= {"initialising transactional id", "no answer for it"}
    for name in {*states, *(reason.strip() for reason in reasons)} - within:
        known = any(name.startswith(at) or at.startswith(name) for at in named)
        verdict(known, f"states.md: `{name}` of the code is not explained")


def check_knobs():
    listed = subprocess.run([str(BINARY), "knobs"], capture_output=True, text=True, timeout=60, check=True).stdout
    text = "".join(
        path.read_text() for path in (ROOT / "runbooks").rglob("*.md") if path.parent.name != "reference"
    )
    knobs = [line.split()[0] for line in listed.splitlines()[1:]]
    verdict(len(knobs) > 20, "hardly a knob")
    for knob in knobs:
        verdict(f"`{knob}`" in text, f"the knob {knob} stands on no page; runbooks/tuning/knobs.md is for it")


promtool("check", "rules", RULES)
promtool("check", "config", ROOT / "config/prometheus/prometheus.yml")
promtool("test", "rules", ROOT / "tests/prometheus/rules_test.yml")
ALL = dashboard_expressions()
check_dashboard(ALL)
check_names(ALL + [rule["expr"] for rule in alerts().values()])
check_pages()
check_advice()
check_states()
check_knobs()
for failure in failures:
    print(f"FAILED {failure}")
print(f"{passed} passed, {len(failures)} failed")
sys.exit(1 if failures else 0)
