#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The power fails at the N-th file system call of a deployment: everything that was not synced is
lost. After the file systems are mounted again and a recovery run, the tree is exactly the old one
or exactly the new one, and the next deployment succeeds.

The file systems are images on loop devices, shut down by FS_IOC_SHUTDOWN: without flushing their
logs, so that all that was not synced is lost, or (+) with, so that names are there but contents
are not. A sample of all N by default; DROVER_FULL=1 runs every one both ways. DROVER_SEED repeats
a sample, DROVER_ONLY="xfs 123" or "xfs 123+" a single case."""

import fcntl
import os
import random
import shutil
import struct
import subprocess

import drover
import faults

IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2
SAMPLE = 3 if drover.ASAN else 12

MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-N", "4096"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}

# name -> file system of state and root, file system of the destination /mnt/other or None for the same
LAYOUTS = {
    "ext4": ("ext4", None),
    "xfs": ("xfs", None),
    "ext4 and xfs": ("ext4", "xfs"),
    "xfs and ext4": ("xfs", "ext4"),
}

tap = faults.Tap()


class Machine:
    """One layout: pristine images with the first revision installed, and a place to mount copies of them."""

    def __init__(self, directory, revisions, kinds):
        self.directory = directory
        self.images = []
        os.makedirs(self.mountpoint)
        for number, kind in enumerate(kind for kind in kinds if kind):
            image = os.path.join(directory, f"image{number}")
            make_image(image + ".pristine", kind)
            self.images.append(image)
        other = [("mnt/other", ("-o", "loop", self.images[1]))] if kinds[1] else []
        self.host = faults.Host(os.path.join(self.mountpoint, "host"), revisions, other)
        self.up = False

    @property
    def mountpoint(self):
        return os.path.join(self.directory, "mount")

    def copy_pristine(self):
        for image in self.images:
            subprocess.run(["cp", "--sparse=auto", image + ".pristine", image], check=True)

    def save_pristine(self):
        for image in self.images:
            os.replace(image, image + ".pristine")

    def power_on(self):
        faults.mount("-o", "loop", self.images[0], self.mountpoint)
        self.up = True
        self.host.attach()

    def power_off(self):
        self.host.detach()
        if self.up:
            faults.unmount(self.mountpoint)
        self.up = False

    def shutdown_options(self, n, flushed):
        option = "--shutdown-flushed" if flushed else "--shutdown"
        return [f"{option}={n}:{path}" for path in self.file_systems()]

    def file_systems(self):
        return [self.mountpoint] + [os.path.join(self.host.root, "mnt/other")] * (len(self.images) - 1)

    def cut_power(self):
        for path in self.file_systems():
            fd = os.open(path, os.O_RDONLY)
            fcntl.ioctl(fd, IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
            os.close(fd)

    def prepare(self):
        """Installs the first revision on the pristine images, and the second on copies to see what comes of it."""
        self.copy_pristine()
        self.power_on()
        self.host.prepare()
        self.power_off()
        self.save_pristine()
        self.copy_pristine()
        self.power_on()
        self.calls = faults.must(self.host.deploy("b", fault=["--count"]), "deploy of the second revision").calls
        self.new = faults.snapshot(self.host.root)
        self.power_off()


def make_image(path, kind):
    with open(path, "wb") as image:
        image.truncate(320 << 20)  # the least that mkfs.xfs takes
    subprocess.run([*MKFS[kind], path], check=True)


def one(machine, name, rng, n, flushed):
    """A cut before call n, or for n None right after a deployment that said it was done."""
    machine.copy_pristine()
    machine.power_on()
    done = machine.host.deploy("b", fault=None if n is None else machine.shutdown_options(n, flushed))
    if n is None:
        machine.cut_power()
    machine.power_off()
    machine.power_on()
    problems = []
    recovered = machine.host.recover()
    if recovered.status != 0:
        problems = [f"the recovery run failed with {recovered.status}", *recovered.text.splitlines()[-8:]]
    allowed = ["new"] if done.status == 0 else ["old", "new"]
    problems += faults.check_tree(machine.host, machine.new, allowed) or \
        faults.check_next(machine.host, machine.new, rng)
    where = "right after the end" if n is None else f"call {done.struck or str(n) + ' was not reached'}"
    how = ", its log flushed" if flushed else ""
    tap.ok(not problems, f"{name}{how}: {where}",
           problems + [f"deploy: exit {done.status}", *done.text.splitlines()[-8:]])
    machine.power_off()


def run_layout(directory, revisions, name, rng, only):
    machine = Machine(os.path.join(directory, name.replace(" ", "-")), revisions, LAYOUTS[name])
    try:
        machine.prepare()
        tap.note(f"{name}: a deployment makes {machine.calls} calls")
        chosen = [only] if only else list(cases(machine.calls, rng))
        for case in chosen:
            one(machine, name, rng, *case)
    finally:
        machine.power_off()
    return len(chosen)


def cases(total, rng):
    """(call or None, whether the log is flushed)"""
    yield None, False
    for n in faults.spread(rng, total, SAMPLE):
        for flushed in (False, True) if faults.FULL else (rng.random() < 0.4,):
            yield n, flushed


def parse_case(text):
    layout, n = text.rsplit(" ", 1)
    return layout, (int(n.rstrip("+")), n.endswith("+"))


def check_tools(directory):
    """Skips everything unless images can be made and mounted."""
    missing = [program[0] for program in MKFS.values() if not shutil.which(program[0])]
    if missing:
        faults.skip_all(f"needs {' and '.join(missing)}")
    image = os.path.join(directory, "trial")
    make_image(image, "ext4")
    point = os.path.join(directory, "point")
    os.mkdir(point)
    tried = subprocess.run(["mount", "-o", "loop", image, point], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           check=False, text=True)
    if tried.returncode != 0:
        faults.skip_all(f"needs loop devices: {tried.stdout.strip()}")
    faults.unmount(point)
    os.unlink(image)


def main():
    faults.enter_mount_namespace()
    if not faults.INSTALL_ONLY:
        faults.find_programs()
    value = faults.seed()
    rng = random.Random(value)
    directory = faults.scratch()
    try:
        check_tools(directory)
        revisions = faults.make_revisions(directory)
        only = os.environ.get("DROVER_ONLY")
        chosen = [parse_case(only)] if only else [(name, None) for name in LAYOUTS]
        runs = sum(run_layout(directory, revisions, name, rng, case) for name, case in chosen)
        tap.note(f"{runs} power cuts, {faults.verdicts['old']} old and {faults.verdicts['new']} new trees; seed {value}")
    finally:
        drover.Programs.done()
        faults.remove_scratch(directory)
    tap.leave()


if __name__ == "__main__":
    main()
