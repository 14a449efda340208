"""A Prometheus of its own: looks at one daemon every second, answers expressions, says which alerts fire."""

import json
import math
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import yaml

from .broker import ROOT
from .daemon import free_port

RULES = os.path.join(ROOT, "config", "prometheus", "millrace.rules.yml")
BOARD = os.path.join(ROOT, "config", "grafana", "millrace.json")
# Between two operands of an alert, with what says how their series are matched.
BETWEEN = re.compile(
    r"\s(?:and|or|unless|==|!=|>=|<=|>|<)(?=\s)(?:\s+bool)?(?:\s+on\s*\([^)]*\))?(?:\s+group_left\s*\([^)]*\))?"
)


class Prometheus:
    """Ends with close(). `rules`: the text of its alert rules."""

    def __init__(self, folder, target, rules=""):
        path = os.path.join(ROOT, "build", "deps", "bin") + os.pathsep + os.environ["PATH"]
        program = shutil.which("prometheus", path=path)
        assert program, "prometheus is not there; scripts/setup fetches it"
        os.makedirs(folder)
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [{"job_name": "millrace", "static_configs": [{"targets": [target]}]}],
        }
        if rules:
            settings["rule_files"] = ["rules.yml"]
            with open(os.path.join(folder, "rules.yml"), "w", encoding="utf-8") as file:
                file.write(rules)
        with open(os.path.join(folder, "prometheus.yml"), "w", encoding="utf-8") as file:
            yaml.safe_dump(settings, file)
        self.address = f"127.0.0.1:{free_port()}"
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address={self.address}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ask(self, path):
        """Its answer's data; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}", timeout=5) as answer:
                return json.loads(answer.read())["data"]
        except OSError:
            return None

    def values(self, expression):
        """The numbers that an expression gives now."""
        data = self.ask("query?" + urllib.parse.urlencode({"query": expression}))
        found = [float(each["value"][1]) for each in data["result"]] if data else []
        return [value for value in found if not math.isnan(value)]

    def firing(self):
        """{name: summary} of the alerts that fire."""
        data = self.ask("alerts") or {"alerts": []}
        return {
            each["labels"]["alertname"]: each["annotations"]["summary"]
            for each in data["alerts"]
            if each["state"] == "firing"
        }

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def split(expression):
    """The operands of an alert: what stands between its comparisons and set operators, numbers left out."""
    expression = " ".join(expression.split())
    depths, depth = [], 0
    for char in expression:
        depth += (char == "(") - (char == ")")
        depths.append(depth)
    parts, begun = [], 0
    for at in BETWEEN.finditer(expression):
        if depths[at.start()] == 0 and at.start() >= begun:
            parts.append(expression[begun : at.start()].strip())
            begun = at.end()
    parts.append(expression[begun:].strip())
    if len(parts) == 1:
        # In parentheses as a whole, or a single expression.
        whole = expression.startswith("(") and all(depths[:-1]) and depths[-1] == 0
        return split(expression[1:-1]) if whole else parts
    found = [operand for part in parts for operand in split(part)]
    return [operand for operand in found if re.search("[a-z]", operand)]


def alert_operands():
    """[(alert, operand)], with ranges that a short run fills."""
    with open(RULES, encoding="utf-8") as file:
        groups = yaml.safe_load(file)["groups"]
    rules = [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]
    return [(name, re.sub(r"\[\d+m\]", "[10s]", operand)) for name, text in rules for operand in split(text)]


def panel_expressions():
    """[(title of the panel, expression)], with Grafana's variables replaced."""
    with open(BOARD, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    return [
        (panel["title"], target["expr"].replace("$__rate_interval", "10s").replace("$pipeline", ".*"))
        for panel in panels
        for target in panel.get("targets", [])
    ]
