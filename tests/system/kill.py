#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A deployment over an installed revision is cut off, or meets an error, at the N-th of its file
system calls. After a recovery run the tree is exactly the old one or exactly the new one, and the
next deployment succeeds.

A sample of all N by default; DROVER_FULL=1 runs every one. DROVER_SEED repeats a sample,
DROVER_INSTALL_ONLY=1 leaves bundles and hooks out,
DROVER_ONLY="kill=123" (or "error=17:EIO", "kill=40 then kill=3") a single case, DROVER_KEEP=1
keeps what failed."""

import os
import random
import shutil

import drover
import faults

KEEP = os.environ.get("DROVER_KEEP") == "1"
# Sanitizers make runs several times as long.
SHARE = 4 if drover.ASAN else 1
COUNTS = {"kill": 30 // SHARE, "kill-after": 6 // SHARE, "EIO": 12 // SHARE, "ENOSPC": 12 // SHARE, "full": 6 // SHARE,
          "twice": 14 // SHARE}

tap = faults.Tap()


class Shop:
    """Makes hosts on which the second revision is about to be deployed."""

    def __init__(self, directory):
        self.directory = directory
        self.serial = 0
        self.revisions = faults.make_revisions(directory)
        host = self.new_host()
        self.calls = faults.must(host.deploy("b", fault=["--count"]), "deploy of the second revision").calls
        self.new = faults.snapshot(host.root)
        self.remove(host)

    def new_host(self):
        self.serial += 1
        host = faults.Host(os.path.join(self.directory, f"host{self.serial}"), self.revisions,
                           [("mnt/other", faults.TMPFS), ("srv/app/mounted", faults.TMPFS)])
        host.attach()
        host.prepare()
        return host

    def remove(self, host):
        host.detach()
        shutil.rmtree(host.directory)


def recover(host, second):
    """Recovers, if wanted with a fault on the way; afterwards all must be well."""
    lines = []
    if second:
        done = host.recover(fault=[f"--{second}"])
        lines.append(f"recovery under {second}: exit {done.status}, struck at {done.struck}")
    done = host.recover()
    if done.status != 0:
        lines.append(f"recovery: exit {done.status}: {done.text}")
    return done.status == 0, lines


def one(shop, rng, first, second=None):
    """One case; returns whether the fault struck."""
    host = shop.new_host()
    done = host.deploy("b", fault=[f"--{first}"])
    recovered, lines = recover(host, second)
    allowed = ["new"] if first.startswith("error") and done.status == 0 else ["old", "new"]
    problems = [] if recovered else ["the recovery run failed"]
    problems += faults.check_tree(host, shop.new, allowed) or faults.check_next(host, shop.new, rng)
    name = first + (f" then {second}" if second else "")
    tap.ok(not problems, f"{name}: {done.struck or 'not reached'}",
           problems + lines + [f"deploy: exit {done.status}", *done.text.splitlines()[-8:]])
    if problems and KEEP:
        tap.note(f"kept: {host.directory}")
    else:
        shop.remove(host)
    return done.struck is not None


def cases(total, rng):
    """(first, second) faults."""
    for how in ("kill", "kill-after"):
        for n in faults.spread(rng, total, COUNTS[how]):
            yield f"{how}={n}", None
    for error in ("EIO", "ENOSPC"):
        for n in faults.spread(rng, total, COUNTS[error]):
            yield f"error={n}:{error}", None
    for n in faults.spread(rng, total, COUNTS["full"]):
        yield f"error={n}+:ENOSPC", None
    for n in faults.spread(rng, total, COUNTS["twice"]):
        how = rng.choice(["kill={}", "kill={}", "error={}:EIO", "error={}+:ENOSPC"])
        yield f"kill={n}", how.format(rng.randrange(1, 60))


def main():
    faults.enter_mount_namespace()
    if not faults.INSTALL_ONLY:
        faults.find_programs()
    value = faults.seed()
    rng = random.Random(value)
    directory = faults.scratch()
    try:
        shop = Shop(directory)
        tap.note(f"a deployment makes {shop.calls} calls; seed {value}")
        only = os.environ.get("DROVER_ONLY")
        chosen = [only.split(" then ")] if only else cases(shop.calls, rng)
        struck = [one(shop, rng, *case) for case in chosen]
        tap.note(f"{len(struck)} runs, {sum(struck)} struck, {faults.verdicts['old']} old and {faults.verdicts['new']} new trees; "
                 f"seed {value}")
    finally:
        drover.Programs.done()
        if not KEEP:
            faults.remove_scratch(directory)
    tap.leave()


if __name__ == "__main__":
    main()
