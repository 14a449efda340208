"""How many records the demo's destinations must hold, counted from the input with nothing of millrace.

Run by itself it prints the numbers as JSON.
"""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EDITS = os.path.join(ROOT, "tests", "data", "wikipedia-edits.jsonl.zst")


def size_of(delta):
    if delta > 1000 or delta < -1000:
        return "huge"
    return "small" if -100 < delta < 100 else "middle"


def count(path=EDITS):
    """{"read": records, "topics": {topic: records}}"""
    topics = {"wikipedia.edits." + name: 0 for name in ("huge", "middle", "small", "labelled", "dead")}
    read = 0
    unpacked = subprocess.run(["zstd", "-dcq", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    for line in unpacked.stdout.splitlines():
        edit = json.loads(line)
        read += 1
        if not edit["isRobot"]:
            topics["wikipedia.edits." + size_of(edit["delta"])] += 1
            topics["wikipedia.edits.labelled"] += 1
    return {"read": read, "topics": topics}


if __name__ == "__main__":
    json.dump(count(), sys.stdout, indent=2)
    print()
