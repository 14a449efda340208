#!/usr/bin/env python3
"""The arithmetic of scripts/measure: quantiles, tables, pictures. Its runs are shown in tests/kafka (measure_quick)."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import xml.dom.minidom

sys.dont_write_bytecode = True
PATH = pathlib.Path(__file__).resolve().parents[2] / "scripts/measure"
LOADER = importlib.machinery.SourceFileLoader("measure", str(PATH))
measure = importlib.util.module_from_spec(importlib.util.spec_from_loader("measure", LOADER))
LOADER.exec_module(measure)

INFINITE = float("inf")
checks = {
    "half of an even histogram": measure.quantile({1.0: 50, 2.0: 100, INFINITE: 100}, 0.5) == 1.0,
    "within a bucket": abs(measure.quantile({1.0: 0, 2.0: 100, INFINITE: 100}, 0.9) - 1.9) < 1e-9,
    "beyond the last bound": measure.quantile({1.0: 10, INFINITE: 100}, 0.9) == 1.0,
    "nothing seen": measure.quantile({}, 0.5) != measure.quantile({}, 0.5),
    "a table": measure.table(["a", "b"], [["x", 1234567.8], ["y", 0.12345]])
    == "| a | b |\n| --- | --- |\n| x | 1,234,568 |\n| y | 0.1235 |",
}
drawing = xml.dom.minidom.parseString(measure.picture("title", ["a", "b"], [1.0, 0.0], "s"))
checks["a bar for each row"] = len(drawing.getElementsByTagName("rect")) == 2
failed = [name for name, well in checks.items() if not well]
for name in failed:
    print(f"FAILED {name}")
print(f"{len(checks) - len(failed)} passed, {len(failed)} failed")
sys.exit(1 if failed else 0)
