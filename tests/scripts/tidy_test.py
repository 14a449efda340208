#!/usr/bin/env python3
"""scripts/tidy finds what it is there to find: each case is a small tree with one fault, or with none."""

import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADER = "// A header. Owned by the test; any thread.\n#pragma once\n"


def body(lines):
    return "void long_function() {\n" + "  go();\n" * lines + "}\n"


# name, {path: text}, what the output must hold (None: no problem at all)
CASES = [
    ("a clean tree", {"src/base/a.h": HEADER + "\nint one();\n", "src/record/b.cc": '#include "base/a.h"\n'}, None),
    ("a long line", {"src/base/a.cc": "// " + "x" * 130 + "\n"}, "src/base/a.cc:1: 133 columns"),
    ("a long file", {"src/base/a.cc": "int a;\n" * 601}, "602 lines"),
    ("a long function", {"src/base/a.cc": body(71)}, "src/base/a.cc:1: a function of 71 lines"),
    ("a function of the longest length", {"src/base/a.cc": body(70)}, None),
    (
        "a long method",
        {"src/base/a.cc": "class A {\n public:\n  void run() {\n" + "    go();\n" * 71 + "  }\n};\n"},
        "src/base/a.cc:3: a function of 71 lines",
    ),
    (
        "text in a raw string is no code",
        {"src/base/a.cc": 'const char* text = R"(\nvoid f() {\n' + "x\n" * 80 + '}\n)";\n'},
        None,
    ),
    (
        "an include upwards",
        {"src/base/a.cc": '#include "record/b.h"\n', "src/record/b.h": HEADER},
        "base/ (floor 1) must not include record/ (floor 2)",
    ),
    (
        "an include sideways",
        {"src/kafka/a.cc": '#include "stages/b.h"\n', "src/stages/b.h": HEADER},
        "kafka/ (floor 5) must not include stages/",
    ),
    ("a folder on no floor", {"src/other/a.cc": "int a;\n"}, "stands on no floor"),
    ("an include without a folder", {"src/base/a.cc": '#include "a.h"\n'}, "includes name the folder"),
    ("librdkafka outside kafka/", {"src/pipeline/a.cc": "#include <librdkafka/rdkafka.h>\n"}, "belongs to kafka/"),
    ("librdkafka in kafka/", {"src/kafka/a.cc": "#include <librdkafka/rdkafka.h>\n"}, None),
    ("a clock read in place", {"src/pipeline/a.cc": "auto t = std::chrono::steady_clock::now();\n"}, "base/clock.h"),
    ("the same word in a comment", {"src/pipeline/a.cc": "// never steady_clock::now()\nint a;\n"}, None),
    ("unfinished work", {"src/base/a.cc": "// TO" + "DO: later\nint a;\n"}, "finish it"),
    ("a throw", {"src/stages/a.cc": "void f() {\n  throw 1;\n}\n"}, "Result (base/error.h)"),
    ("an unexplained shared_ptr", {"src/base/a.cc": "std::shared_ptr<int> a;\n"}, "who shares it"),
    ("an explained shared_ptr", {"src/base/a.cc": "// Shared by both threads.\nstd::shared_ptr<int> a;\n"}, None),
    ("a header without a comment", {"src/base/a.h": "#pragma once\nint a();\n"}, "begins with a comment"),
    ("a header without its guard", {"src/base/a.h": "// A header.\nint a();\n"}, "#pragma once is missing"),
    (
        "a stage without its line",
        {
            "src/stages/stage_list.inc": "MILLRACE_STAGE(filter)\n",
            "src/stages/filter.cc": 'const StageKind filter_stage_kind{"filter"};\n',
            "src/stages/mask.cc": 'const StageKind mask_stage_kind{"mask"};\n',
            "tests/stages/cases/filter.yaml": "cases: []\n",
        },
        "no line MILLRACE_STAGE(mask)",
    ),
    (
        "a line without its stage",
        {"src/stages/stage_list.inc": "MILLRACE_STAGE(mask)\n", "tests/stages/cases/mask.yaml": "cases: []\n"},
        "has no file src/stages/mask.cc",
    ),
    (
        "a stage without its table of tests",
        {
            "src/stages/stage_list.inc": "MILLRACE_STAGE(mask)\n",
            "src/stages/mask.cc": 'const StageKind mask_stage_kind{"mask"};\n',
        },
        "has no table of tests",
    ),
    ("a link that leads nowhere", {"README.md": "see [this](runbooks/none.md)\n"}, "the link to runbooks/none.md"),
    (
        "a metric that the reference does not name",
        {
            "src/metrics/probes.h": HEADER + 'Probe a{"millrace_a_total", "A."};\n',
            "runbooks/reference/metrics.md": "nothing\n",
        },
        "millrace_a_total is not in runbooks/reference",
    ),
    ("a script that does not parse", {"scripts/x": "#!/usr/bin/env bash\nif then\n"}, "scripts/x:1:"),
    ("a foreign format", {"src/base/a.cc": "int   a ;\n"}, "not as clang-format writes it"),
]
if not shutil.which("clang-format-14"):
    CASES.pop()


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        # The project's own format, so that only what a case is about is found.
        for name, text in {".clang-format": open(os.path.join(ROOT, ".clang-format")).read(), **files}.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        command = [os.path.join(ROOT, "scripts", "tidy"), "--root", folder]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def main():
    passed = failed = 0
    for name, files, wanted in CASES:
        result = run(files)
        if wanted is None:
            right = result.returncode == 0
        else:
            right = result.returncode == 1 and wanted in result.stdout
        passed += right
        failed += not right
        if not right:
            print(f"FAIL {name}: wanted {wanted or 'no problem'}, got\n{result.stdout}{result.stderr}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
