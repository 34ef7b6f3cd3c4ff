#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `drover-agent deploy` against tar or unzip, cp and sync; started by install.sh.

Each figure is the median of paired runs. The pairs take turns in who goes first, every run works in a fresh directory,
everything is synced before a run, and no tree is removed before the end: ext4 pays for that long afterwards."""

import argparse
import io
import os
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

MIB = 1 << 20
OLD, NEW = 1_500_000_000, 1_600_000_000
PSS_LIMIT_MIB = 16

APPSPEC = """version: 0.0
os: linux
file_exists_behavior: OVERWRITE
files:
  - source: app
    destination: /srv/app
"""

# Five entries and ten patterns; the directories are those of nested().
RULES = """version: 0.0
os: linux
file_exists_behavior: OVERWRITE
files:
""" + "".join(f"""  - source: app/{i}
    destination: /srv/app/{i}
""" for i in range(5)) + "permissions:\n" + "".join(f"""  - object: /srv/app/{i}
    pattern: "**"
    mode: "640"
    group: daemon
    type: [file]
  - object: /srv/app/{i}
    pattern: "00*"
    owner: daemon
    mode: 750
    type: [directory]
""" for i in range(5))


# ---- bundles


def flat(count):
    return [f"file{i:05}" for i in range(count)]


def nested(count):
    """Below five directories, three deep, fifty files a directory."""
    return [f"{i % 5}/{i // 2500:03}/{i // 250 % 10}/file{i:05}" for i in range(count)]


def block(rng):
    return rng.randbytes(4096)


class Bundle:
    """An archive below `directory`, made once: names with 4 KiB each, or one big file."""

    def __init__(self, directory, name, names=(), appspec=APPSPEC, changed=0, big=None, kind="tar"):
        self.path = os.path.join(directory, f"{name}.{kind}")
        self.kind = kind
        self.names, self.appspec, self.changed, self.big = names, appspec, changed, big
        if not os.path.exists(self.path):
            self._write()

    def _entries(self):
        rng = random.Random(1)
        for i, name in enumerate(self.names):
            content = block(rng)
            is_new = self.changed and i % self.changed == 0
            yield name, content[::-1] if is_new else content, NEW if is_new else OLD

    def _write(self):
        with open(self.path + ".part", "wb") as out:
            if self.kind == "zip":
                self._write_zip(out)
            else:
                self._write_tar(out)
        os.rename(self.path + ".part", self.path)

    def _write_tar(self, out):
        mode = "w:gz" if self.kind == "tgz" else "w"
        more = {"compresslevel": 1} if self.kind == "tgz" else {}
        with tarfile.open(fileobj=out, mode=mode, format=tarfile.GNU_FORMAT, **more) as tar:
            self._add(tar, "appspec.yml", self.appspec.encode(), OLD)
            for name, content, when in self._entries():
                self._add(tar, "app/" + name, content, when)
            if self.big:
                tar.add(self.big, "app/big")

    @staticmethod
    def _add(tar, name, content, when):
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(content), when, 0o644
        tar.addfile(info, io.BytesIO(content))

    def _write_zip(self, out):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("appspec.yml", self.appspec)
            for name, content, _ in self._entries():
                archive.writestr("app/" + name, content)
            if self.big:
                archive.write(self.big, "app/big")

    def unpack(self, directory):
        into, path = shlex.quote(directory), shlex.quote(self.path)
        how = {"tar": f"tar xf {path} -C {into}", "tgz": f"tar xzf {path} -C {into}",
               "zip": f"unzip -q {path} -d {into}"}
        return how[self.kind]


def make_big(directory, size=1 << 30):
    """A file as large as a video or an image of a machine, and about as compressible as a program."""
    path = os.path.join(directory, "big")
    rng = random.Random(2)
    table = [rng.randbytes(32) for _ in range(4096)]
    with open(path, "wb") as f:
        for _ in range(size // MIB):
            f.write(b"".join(rng.choices(table, k=MIB // 64)) + rng.randbytes(MIB // 2))
    return path


# ---- runs


class Figures:
    """One run: wall and CPU milliseconds, peak of memory in KiB."""

    def __init__(self, line):
        wall, cpu, pss, status = line.split()
        self.wall, self.cpu, self.pss, self.status = float(wall), float(cpu), int(pss), int(status)


class Bench:
    def __init__(self, options, directory):
        self.build = os.path.abspath(options.build)
        self.directory = directory
        self.pairs = options.pairs
        self.fs = options.fs or file_system_of(directory)
        self.serial = 0
        self.missed = 0
        self.agent = self._find("drover-agent")
        self.measure_program = self._find("measure")
        self.syncs_program = self._find("syncs")
        self.fault_program = self._find("fault")
        self._gather_helpers()

    def _find(self, name):
        for where, _, names in os.walk(self.build):
            path = os.path.join(where, name)
            if name in names and os.access(path, os.X_OK):
                return path
        return sys.exit(f"install.sh: no {name} in {self.build}; is it built?")

    def _gather_helpers(self):
        """As the installed agent has them, in one directory."""
        libexec = os.path.join(self.directory, "libexec")
        os.mkdir(libexec)
        for name in ("drover-hook", "drover-unpack"):
            os.symlink(self._find(name), os.path.join(libexec, name))
        os.environ["DROVER_LIBEXEC_DIR"] = libexec

    def fresh(self):
        self.serial += 1
        path = os.path.join(self.directory, f"run{self.serial}")
        os.mkdir(path)
        return path

    def deploy_command(self, place, bundle):
        return [self.agent, "deploy", "--bundle", bundle.path, "--group", "bench", "--state-dir", f"{place}/state",
                "--install-root", f"{place}/root", "--quiet"]

    def plain_command(self, place, bundle, step):
        """What the deployment is held against: unpack, copy in place, make durable."""
        stage, root = f"{place}/stage{step}", f"{place}/root"
        os.makedirs(stage)
        return ["sh", "-ec", f"{bundle.unpack(stage)}; mkdir -p {root}/srv/app; cp -a {stage}/app/. {root}/srv/app; "
                f"sync -f {root}/srv/app"]

    def measure(self, command, pss=False):
        with open(os.path.join(self.directory, "figures"), "w+", encoding="ascii") as figures:
            os.sync()
            done = subprocess.run([self.measure_program, *(["--pss"] if pss else []), figures.name, *command],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            figures.seek(0)
            result = Figures(figures.read())
        if done.returncode or result.status:
            sys.exit(f"install.sh: {' '.join(command)}: status {result.status}\n{done.stdout.decode()}")
        return result

    def pair(self, number, bundles, remove=False):
        """For every bundle in turn a deployment and the plain tools, over what the one before left."""
        ours, plain = self.fresh(), self.fresh()
        results = []
        for step, bundle in enumerate(bundles):
            commands = [self.deploy_command(ours, bundle), self.plain_command(plain, bundle, step)]
            order = (0, 1) if (number + step) % 2 == 0 else (1, 0)
            figures = {i: self.measure(commands[i]) for i in order}
            results.append((figures[0], figures[1]))
        if remove:
            shutil.rmtree(ours)
            shutil.rmtree(plain)
            os.sync()
            time.sleep(2)
        return results

    def compare(self, names, bundles, goals, remove=False):
        """names and goals: one a bundle. Returns the median wall times of the deployments."""
        with_all = [self.pair(i, bundles, remove) for i in range(self.pairs)]
        memory = self.fresh()
        walls = []
        for step, name in enumerate(names):
            runs = [pairs[step] for pairs in with_all]
            pss = self.measure(self.deploy_command(memory, bundles[step]), pss=True).pss / 1024
            walls.append(self.line(name, runs, pss, goals[step]))
        if remove:
            shutil.rmtree(memory)
        return walls

    def line(self, name, runs, pss, goal):
        ours, plain = ([run[i] for run in runs] for i in (0, 1))
        wall, cpu = (statistics.median(getattr(a, key) / getattr(b, key) for a, b in runs) for key in ("wall", "cpu"))
        print(f"{name:28} {median(ours, 'wall'):9.1f} {median(plain, 'wall'):9.1f} {wall:6.2f}   "
              f"{median(ours, 'cpu'):9.1f} {median(plain, 'cpu'):9.1f} {cpu:6.2f}   {pss:6.1f}", flush=True)
        if goal:
            self.judge(f"wall at most {goal} of plain", wall, goal)
            self.judge(f"CPU at most {goal} of plain", cpu, goal)
        self.judge(f"memory below {PSS_LIMIT_MIB} MiB", pss, PSS_LIMIT_MIB)
        return median(ours, "wall")

    def judge(self, text, value, limit):
        good = value <= limit
        self.missed += not good
        print(f"    {text}: {value:.2f} {'ok' if good else 'MISSED'}", flush=True)

    @property
    def second_goal(self):
        return 0.9 if self.fs == "tmpfs" else 0.6


def median(figures, key):
    return statistics.median(getattr(figure, key) for figure in figures)


def file_system_of(directory):
    return subprocess.run(["stat", "-f", "-c", "%T", directory], stdout=subprocess.PIPE, check=True,
                          text=True).stdout.strip().replace("ext2/ext3", "ext4")


# ---- cases


def case_ten(bench, inputs):
    bundle = Bundle(inputs, "ten", flat(10))
    walls = [bench.pair(i, [bundle])[0] for i in range(max(bench.pairs, 11))]
    memory = bench.measure(bench.deploy_command(bench.fresh(), bundle), pss=True).pss / 1024
    bench.line("10 files", walls, memory, None)
    report = os.path.join(bench.directory, "syncs")
    subprocess.run([bench.fault_program, "--syncs", "--log", f"--output={report}", "--",
                    *bench.deploy_command(bench.fresh(), bundle)], check=True, stdout=subprocess.DEVNULL)
    with open(report, encoding="utf-8", errors="replace") as f:
        calls = [line.split()[4] for line in f if line.startswith("call ")]
    whole = sum(name in ("syncfs", "sync") for name in calls)
    syncs = statistics.median(
        float(subprocess.run([bench.syncs_program, bench.fresh(), str(len(calls) - whole), str(whole)],
                             check=True, stdout=subprocess.PIPE).stdout) for _ in range(11))
    ours, plain = (statistics.median(run[i].wall for run in walls) for i in (0, 1))
    print(f"    deployment {ours:.1f} ms, plain tools {plain:.1f} ms, its {len(calls) - whole} fsync and {whole} syncfs "
          f"alone {syncs:.1f} ms, difference {ours - plain - syncs:.1f} ms")
    bench.judge("milliseconds above plain tools and syncs, at most 10", ours - plain - syncs, 10)


def case_thousand(bench, inputs):
    bench.compare(["1,000 files"], [Bundle(inputs, "thousand", flat(1000))], [1.2])


def case_nested(bench, inputs):
    names = nested(20000)
    first = Bundle(inputs, "nested", names)
    changed = Bundle(inputs, "changed", names, changed=100)
    second = bench.second_goal
    bench.compare(["20,000 files, first", "20,000 files, the same", "20,000 files, 1 % changed"],
                  [first, first, changed], [1.2, second, second])


def case_rules(bench, inputs):
    bundle = Bundle(inputs, "rules", nested(20000), RULES)
    bench.compare(["5 entries, 10 patterns", "5 entries, 10 patterns, same"], [bundle, bundle], [1.2, bench.second_goal])


def case_forty(bench, inputs):
    twenty, forty = Bundle(inputs, "nested", nested(20000)), Bundle(inputs, "forty", nested(40000))
    runs = {20: [], 40: []}
    for i in range(bench.pairs):
        for n, bundle in ((20, twenty), (40, forty)) if i % 2 else ((40, forty), (20, twenty)):
            runs[n].append(bench.measure(bench.deploy_command(bench.fresh(), bundle)))
    pss = bench.measure(bench.deploy_command(bench.fresh(), forty), pss=True).pss / 1024
    print(f"40,000 against 20,000 files   {median(runs[40], 'wall'):.1f} and {median(runs[20], 'wall'):.1f} ms, "
          f"CPU {median(runs[40], 'cpu'):.1f} and {median(runs[20], 'cpu'):.1f} ms, {pss:.1f} MiB")
    for key in ("wall", "cpu"):
        bench.judge(f"{key} at most 2.2 times",
                    statistics.median(getattr(a, key) / getattr(b, key) for a, b in zip(runs[40], runs[20])), 2.2)
    bench.judge(f"memory below {PSS_LIMIT_MIB} MiB", pss, PSS_LIMIT_MIB)


def case_big(bench, inputs):
    big = make_big(inputs)
    for kind in ("tar", "tgz", "zip"):
        bundle = Bundle(inputs, "big-file", big=big, kind=kind)
        with open(bundle.path, "rb") as f:
            while f.read(MIB):
                pass
        bench.compare([f"1 GiB file, {kind}"], [bundle], [1.2 if kind == "tar" else 1.0], remove=True)
        os.unlink(bundle.path)
    os.unlink(big)


CASES = {"ten": case_ten, "thousand": case_thousand, "nested": case_nested, "rules": case_rules, "forty": case_forty,
         "big": case_big}


# ---- main


def enter_mount_namespace():
    if os.environ.get("DROVER_BENCH_INSIDE") == "1":
        return
    os.environ["DROVER_BENCH_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, "-B"] + sys.argv)


def mount_file_system(kind, directory):
    """Gone with this program's mount namespace, its loop device as well."""
    where = os.path.join(directory, "mount")
    os.mkdir(where)
    if kind == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12g,mode=755", "tmpfs", where], check=True)
        return where
    image = os.path.join(directory, "image")
    with open(image, "wb") as f:
        f.truncate(48 << 30)
    # Nothing is written behind our back after the mount.
    options = {"ext4": ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"], "xfs": ["-q", "-m", "reflink=1"]}
    subprocess.run([f"mkfs.{kind}", *options[kind], image], check=True)
    subprocess.run(["mount", "-o", "loop", image, where], check=True)
    return where


def parse():
    parser = argparse.ArgumentParser(prog="install.sh")
    parser.add_argument("--build", required=True)
    parser.add_argument("--dir", default=tempfile.gettempdir())
    parser.add_argument("--fs", choices=["ext4", "xfs", "tmpfs"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def main():
    options = parse()
    if options.list:
        print("\n".join(CASES))
        return
    if options.fs:
        enter_mount_namespace()
    top = tempfile.mkdtemp(prefix="drover-bench-", dir=options.dir)
    try:
        where = mount_file_system(options.fs, top) if options.fs else top
        inputs = os.path.join(top, "inputs")
        os.mkdir(inputs)
        bench = Bench(options, where)
        print(f"{bench.fs}, {os.cpu_count()} CPUs, medians of {bench.pairs} pairs; times in ms, memory in MiB")
        print(f"{'':28} {'wall':>9} {'plain':>9} {'ratio':>6}   {'CPU':>9} {'plain':>9} {'ratio':>6}   {'PSS':>6}")
        for name in options.cases.split(","):
            CASES[name](bench, inputs)
        print(f"{bench.missed} goals missed" if bench.missed else "all goals met")
    finally:
        if options.fs:
            subprocess.run(["umount", os.path.join(top, "mount")], check=False)
        shutil.rmtree(top)
    sys.exit(1 if bench.missed else 0)


if __name__ == "__main__":
    main()
