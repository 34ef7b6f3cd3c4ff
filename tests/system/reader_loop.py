#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of one replaced file and one replaced link, during many deployments, never sees them missing or in part."""

import json
import os
import subprocess

from drover import ASAN, Agent, FULL, allow, case, find_program, run_all, write

DEPLOYMENTS = 1000 if FULL else 40 if ASAN else 200
LINES = 4000


def fill(bundle, revision):
    """Writes the revision's file anew and points its link elsewhere."""
    write(os.path.join(bundle, "www", "file"), f"revision {revision:04}\n" * LINES)
    link = os.path.join(bundle, "www", "link")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(f"revision-{revision:04}", link)


@case
def a_reader_never_sees_a_missing_or_a_partial_file(box):
    allow(DEPLOYMENTS * 2)
    tool = Agent(box)
    bundle = box.bundle(files={"www/file": ""}, hooks={})
    fill(bundle, 0)
    tool.deploy(bundle).expect(0)
    reader = subprocess.Popen([find_program("read_loop"), os.path.join(box.target, "file"),
                               os.path.join(box.target, "link")], stdout=subprocess.PIPE, text=True)
    try:
        for revision in range(1, DEPLOYMENTS + 1):
            fill(bundle, revision)
            tool.deploy(bundle).expect(0)
    finally:
        reader.terminate()
        out, _ = reader.communicate(timeout=30)
    print(f"# {DEPLOYMENTS} deployments: {out.strip()}")
    seen = json.loads(out)
    assert reader.returncode == 0, out
    # Every revision was there for as long as a deployment takes: the reader saw nearly all of them.
    assert seen["versions"] > DEPLOYMENTS // 2, out
    assert seen["reads"] > DEPLOYMENTS, out


if __name__ == "__main__":
    run_all()
