# SPDX-License-Identifier: Apache-2.0
"""What the fault suites share: a host in a scratch directory, two revisions that differ in every
way we know, exact snapshots of a tree, and the runs under the `fault` program."""

import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

import drover

FULL = drover.FULL
FAULT = os.path.join(drover.BUILD, "tests/system/fault")
INSTALL_ONLY = os.environ.get("DROVER_INSTALL_ONLY") == "1"  # without bundles and hooks
RUN_SECONDS = 60 * (3 if drover.ASAN else 1)

# Leaks are looked for by the other suites: LeakSanitizer cannot work in a traced process.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"


class Tap:
    """Prints one line a check; leave() ends the program."""

    def __init__(self):
        self.count = self.failed = 0

    def ok(self, good, name, detail=()):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)
        if not good:
            for line in detail:
                print(f"#   {line}", flush=True)

    def note(self, text):
        print(f"# {text}", flush=True)

    def leave(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def enter_mount_namespace():
    """Starts this program again with mounts of its own: whatever happens, none outlives it."""
    if os.geteuid() != 0:
        skip_all("needs root: owners, mounts")
    if os.environ.get("DROVER_FAULTS_INSIDE") == "1":
        signal.signal(signal.SIGTERM, end_by_exception)
        return
    os.environ["DROVER_FAULTS_INSIDE"] = "1"
    reason = drover.why_no_private_mounts()
    if reason:
        skip_all(reason)
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)


def find_programs():
    try:
        drover.Programs.get()
    except drover.Skip as reason:
        skip_all(reason)


def scratch():
    """A directory for everything, on the file system that TMPDIR names."""
    return tempfile.mkdtemp(prefix="drover-faults-")


def remove_scratch(directory):
    """Removes it with whatever is still mounted below; for the end of a suite, however it comes."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        below = [line.split()[1] for line in mounts if line.split()[1].startswith(directory + "/")]
    for path in reversed(below):
        subprocess.run(["umount", "--lazy", path], check=False)
    shutil.rmtree(directory, ignore_errors=True)


def end_by_exception(_number, _frame):
    sys.exit("ended by a signal")


def seed():
    value = os.environ.get("DROVER_SEED")
    return int(value) if value else int(time.time() * 1000) & 0xFFFFFFFF


def spread(rng, total, count):
    """`count` numbers of 1..total, one drawn from each of as many equal parts; all if FULL."""
    if FULL or count >= total:
        return list(range(1, total + 1))
    edges = [1 + i * total // count for i in range(count + 1)]
    return [rng.randrange(edges[i], max(edges[i] + 1, edges[i + 1])) for i in range(count)]


# ---- runs ----


class Run:
    """What a run under the fault program, or without it, came to."""

    def __init__(self, done, report=""):
        self.status = done.returncode
        self.text = done.stdout.decode("utf-8", "replace")
        calls = re.search(r"^calls (\d+)$", report, re.M)
        struck = re.search(r"^struck at (.*)$", report, re.M)
        self.calls = int(calls.group(1)) if calls else None
        self.struck = struck.group(1) if struck else None
        self.report = report


def run(argv, fault=None, env=None):
    """fault: options of the fault program, or None for a plain run."""
    if fault is None:
        return Run(_finish(argv, env))
    with tempfile.NamedTemporaryFile("r", prefix="fault-", errors="replace") as report:
        done = _finish([FAULT, f"--output={report.name}", *fault, "--", *argv], env)
        text = report.read()
    if done.returncode == 125:
        raise RuntimeError(f"fault {fault}: {done.stdout.decode()}{text}")
    return Run(done, text)


def _finish(argv, env):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=RUN_SECONDS, check=False, env=env)


# ---- revisions ----

OLD_TIME = 1_500_000_000
NEW_TIME = 1_600_000_000
LONG_NAME = "n" * 255
ODD_NAME = b"odd \n\xff name \\x"


class Tree:
    """Fills a directory, each entry with a time that says from which revision it is."""

    def __init__(self, directory, when):
        self.directory = os.fsencode(directory)
        self.when = when
        self.count = 0

    def _path(self, name):
        path = os.path.join(self.directory, os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def file(self, name, content, mode=0o644, when=None, xattrs=None):
        path = self._path(name)
        with open(path, "wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)
        os.chmod(path, mode)
        for key, value in (xattrs or {}).items():
            os.setxattr(path, key, value)
        self.count += 1
        self._stamp(path, when)

    def link(self, name, target, when=None):
        path = self._path(name)
        os.symlink(target, path)
        self.count += 1
        self._stamp(path, when)

    def dir(self, name, mode=0o755):
        path = self._path(name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)

    def _stamp(self, path, when):
        at = ((when or self.when) + self.count) * 1_000_000_000 + 123_456_789
        os.utime(path, ns=(at, at), follow_symlinks=False)


APPSPEC = """version: 0.0
os: linux
file_exists_behavior: OVERWRITE
files:
  - source: app
    destination: /srv/app
  - source: etc
    destination: /etc/app
  - source: other
    destination: /mnt/other
  - source: bound
    destination: /srv/bound
  - source: single.txt
    destination: /srv/single
permissions:
{permissions}
hooks:
  BeforeInstall:
    - location: hooks/say.sh
      timeout: 30
  AfterInstall:
    - location: hooks/say.sh
      timeout: 30
"""

PERMISSIONS_A = """  - object: /srv/app/bin
    pattern: "*"
    owner: daemon
    group: daemon
    mode: 755
    type: [file]
  - object: /etc/app
    pattern: "*.conf"
    mode: "640"
    group: daemon
    type: [file]
  - object: /srv/app
    pattern: moded
    mode: 700
    type: [directory]
  - object: /srv/app/acl
    mode: "644"
    acls: ["u:daemon:rw"]
    type: [file]
"""

PERMISSIONS_B = """  - object: /srv/app/bin
    pattern: "*"
    except: [su-tool]
    owner: bin
    group: daemon
    mode: 750
    type: [file]
  - object: /srv/app/bin
    pattern: su-tool
    mode: 4755
    type: [file]
  - object: /etc/app
    pattern: "*.conf"
    mode: "600"
    owner: daemon
    type: [file]
  - object: /srv/app
    pattern: moded
    mode: 750
    group: daemon
    type: [directory]
  - object: /srv/app/acl
    mode: "664"
    acls: ["u:daemon:rwx", "g:bin:r"]
    type: [file]
  - object: /mnt/other
    mode: "604"
    type: [file]
"""


def _common(tree, permissions):
    tree.file("appspec.yml", APPSPEC.format(permissions=permissions))
    tree.file("hooks/say.sh", "#!/bin/sh\necho \"$LIFECYCLE_EVENT\"\n", 0o755)
    for i in range(6):
        tree.file(f"app/same/{i}", f"the same {i}\n" * 50, when=OLD_TIME)
    tree.file("app/" + LONG_NAME, "long", when=OLD_TIME)


def make_revision_a(directory):
    tree = Tree(directory, OLD_TIME)
    _common(tree, PERMISSIONS_A)
    for i in range(5):
        tree.file(f"app/changed/{i}", f"changes {i}, old\n" * 100)
    for i in range(4):
        tree.file(f"app/removed{i}", "goes")
    tree.file("app/olddir/deep/er/file", "goes with its directories")
    tree.file("app/olddir/one", "goes")
    tree.file("app/keptdir/gone", "its directory stays, for there is a foreign file in it")
    tree.file("app/bin/tool", "#!/bin/sh\n", 0o755)
    tree.file("app/bin/su-tool", "#!/bin/sh\n", 0o755)
    tree.file("app/acl", "acl")
    tree.file("app/attributes", "a", xattrs={"user.drover.test": b"old"})
    tree.link("app/link-text", "same/0")
    tree.link("app/link-to-file", "same/1")
    tree.file("app/file-to-link", "was a file")
    tree.link("app/link-to-dir", "same")
    tree.file("app/dir-to-link/x", "x")
    tree.file("app/dir-to-link/y/z", "z")
    tree.file("app/dir-to-file/x", "x")
    tree.file("app/file-to-dir", "was a file")
    tree.file(b"app/" + ODD_NAME, "old")
    tree.dir("app/empty")
    tree.dir("app/moded")
    tree.dir("app/source-mode", 0o755)
    tree.file("etc/main.conf", "a = old\n")
    tree.file("etc/same.conf", "b = same\n", when=OLD_TIME)
    tree.file("etc/conf.d/10-gone.conf", "goes")
    for i in range(4):
        tree.file(f"other/{i}", f"other {i} old\n")
    tree.file("bound/in", "old")
    tree.file("bound/removed", "old")
    tree.file("app/mounted/same", "same", when=OLD_TIME)
    tree.file("app/mounted/in", "old")
    tree.file("app/mounted/gone/x", "old")
    tree.file("single.txt", "single old")
    return tree.count


def make_revision_b(directory):
    tree = Tree(directory, NEW_TIME)
    _common(tree, PERMISSIONS_B)
    for i in range(5):
        tree.file(f"app/changed/{i}", f"changes {i}, new\n" * 120)
    for i in range(4):
        tree.file(f"app/added{i}", "comes")
    tree.file("app/newdir/deep/er/file", "comes with its directories")
    tree.file("app/bin/tool", "#!/bin/sh\n: 2\n", 0o755)
    tree.file("app/bin/su-tool", "#!/bin/sh\n", 0o755)
    tree.file("app/acl", "acl")
    tree.file("app/attributes", "a",
              xattrs={"user.drover.test": b"new", "user.drover.more": b"\x00\xff"})
    tree.link("app/link-text", "same/5")
    tree.file("app/link-to-file", "is a file")
    tree.link("app/file-to-link", "same/2")
    tree.file("app/link-to-dir/x", "x")
    tree.link("app/dir-to-link", "newdir")
    tree.file("app/dir-to-file", "is a file")
    tree.file("app/file-to-dir/x", "x")
    tree.file(b"app/" + ODD_NAME, "new")
    tree.file("app/foreign.conf", "ours now")
    tree.file("app/foreign-link", "ours now")
    tree.dir("app/empty")
    tree.dir("app/empty2/empty3")
    tree.dir("app/moded")
    tree.dir("app/source-mode", 0o711)
    tree.file("etc/main.conf", "a = new\n")
    tree.file("etc/same.conf", "b = same\n", when=OLD_TIME)
    tree.file("etc/conf.d/20-new.conf", "comes")
    for i in range(2, 6):
        tree.file(f"other/{i}", f"other {i} new\n")
    tree.file("other/new/dir", "comes")
    tree.file("bound/in", "new")
    tree.file("app/mounted/same", "same", when=OLD_TIME)
    tree.file("app/mounted/in", "new")
    tree.file("app/mounted/comes/x", "new")
    tree.file("single.txt", "single new")
    return tree.count


def add_what_others_did(root):
    """After the first revision: files that are not ours, and ours changed by others."""
    tree = Tree(root, OLD_TIME - 1000)
    tree.file("srv/app/foreign.conf", "not ours", 0o604, xattrs={"user.foreign": b"1"})
    os.chown(os.path.join(root, "srv/app/foreign.conf"), 2, 3)
    os.link(os.path.join(root, "srv/app/foreign.conf"), os.path.join(root, "second-name"))
    tree.link("srv/app/foreign-link", "/nowhere")
    tree.file("srv/app/keptdir/foreign", "stays")
    tree.file("srv/app/unrelated", "stays")
    tree.file("mnt/other/unrelated", "stays")
    tree.file("srv/app/changed/3", "changed by others")


# ---- snapshots ----


def _entry(path):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    entry = {
        "type": {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "link"}.get(
            kind, oct(kind)),
        "mode": oct(stat.S_IMODE(st.st_mode)),
        "owner": f"{st.st_uid}:{st.st_gid}",
        "mtime": st.st_mtime_ns,
        "xattrs": {name: os.getxattr(path, name, follow_symlinks=False)
                   for name in os.listxattr(path, follow_symlinks=False)},
    }
    if kind == stat.S_IFREG:
        with open(path, "rb") as f:
            entry["content"] = hashlib.sha256(f.read()).hexdigest()[:16]
    if kind == stat.S_IFLNK:
        entry["content"] = os.readlink(path)
    return entry


def snapshot(root):
    """Every path below root (bytes, relative) with all that can be told of it."""
    root = os.fsencode(root)
    seen = {}
    for where, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(where, name)
            seen[os.path.relpath(path, root)] = _entry(path)
    return seen


def differences(have, want, directory_times):
    """Lines that say how two snapshots differ, at most 12."""
    lines = []
    for path in sorted(have.keys() | want.keys()):
        a, b = have.get(path), want.get(path)
        if a is None or b is None:
            lines.append(f"{path!r}: {'is not there' if a is None else 'should not be there'}")
            continue
        for key in sorted(a.keys() | b.keys()):
            if key == "mtime" and a["type"] == "directory" and not directory_times:
                continue
            if a.get(key) != b.get(key):
                lines.append(f"{path!r}: {key} is {a.get(key)}, not {b.get(key)}")
    return lines[:12] + (["..."] if len(lines) > 12 else [])


# ---- hosts


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True, stdout=subprocess.DEVNULL)


def unmount(path):
    subprocess.run(["umount", path], check=True, stdout=subprocess.DEVNULL)


TMPFS = ("-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs")


class Host:
    """A directory with a root to install below and a state directory.

    mounts: (path below root, arguments of mount) each; srv/bound is always a bind mount of the same file system."""

    def __init__(self, directory, revisions, mounts=()):
        self.directory = directory
        self.revisions = revisions
        self.root = os.path.join(directory, "root")
        self.state = os.path.join(directory, "state")
        self.serial = 0
        self.mounts = [*mounts, ("srv/bound", ("--bind", os.path.join(self.root, "outside")))]
        self.mounted = []

    def attach(self):
        os.makedirs(os.path.join(self.root, "outside"), exist_ok=True)
        for name, arguments in self.mounts:
            path = os.path.join(self.root, name)
            os.makedirs(path, exist_ok=True)
            mount(*arguments, path)
            self.mounted.append(path)

    def detach(self):
        while self.mounted:
            unmount(self.mounted.pop())

    def prepare(self):
        """Installs the first revision; then others come by."""
        must(self.deploy("a"), "deploy of the first revision")
        add_what_others_did(self.root)
        self.remember()

    def remember(self):
        self.before = snapshot(self.root)
        self.installed = self.pointer()

    def agent(self, verb, *arguments, fault=None):
        program = drover.Programs.get().path("drover-agent")
        return run([program, verb, *arguments, "--state-dir", self.state], fault, drover.environment())

    def driver(self, *arguments, fault=None):
        return run([os.path.join(drover.BUILD, "tests/system/install-driver"), "--quiet", "--install-root", self.root,
                    *arguments], fault)

    def deploy(self, revision, fault=None):
        if INSTALL_ONLY:
            self.serial += 1
            os.makedirs(self.state, exist_ok=True)
            return self.driver("run", self.state + "/deployment-root", "web", f"d-{self.serial}", self.revisions[revision],
                               fault=fault)
        return self.agent("deploy", "--bundle", self.revisions[revision], "--group", "web", "--install-root", self.root,
                          "--quiet", fault=fault)

    def recover(self, fault=None):
        """Exit status 0 if all is well afterwards."""
        if INSTALL_ONLY:
            done = self.driver("recover", self.state + "/deployment-root", "web", fault=fault)
            done.status = 0 if done.status in (10, 11) else done.status
            return done
        return self.agent("status", fault=fault)

    def pointer(self):
        """The deployment directory of the installed revision, as the state files have it."""
        path = os.path.join(self.state, "deployment-root/deployment-instructions")
        for name in os.listdir(path) if os.path.isdir(path) else []:
            if name.endswith("_last_successful_install"):
                return drover.read(os.path.join(path, name)).strip()
        return None

    def leftovers(self, at_rest):
        """Paths that nothing should have left. A small file that was being replaced when the end came (at_rest false)
        may have a beginning beside it, until it is written again; what a runner had begun to write for a hook that was
        cut off stays as long as its deployment's directory."""
        found = []
        for top in (self.root, self.state):
            for where, dirs, files in os.walk(os.fsencode(top)):
                found += [os.path.join(where, name) for name in dirs if name.startswith(b".")]
                found += [os.path.join(where, name) for name in files
                          if name.startswith(b".") and at_rest and b"/hooks/" not in where]
        return found


def must(done, what):
    if done.status != 0:
        raise RuntimeError(f"{what}: exit {done.status}\n{done.text}")
    return done


def make_revisions(directory):
    revisions = {}
    for name, make in (("a", make_revision_a), ("b", make_revision_b)):
        revisions[name] = os.path.join(directory, "revisions", name)
        count = make(revisions[name])
        assert count >= 40, count
    return revisions


def judge(host, new):
    """'old' or 'new', or None and what is wrong. new: a snapshot of what shall be after the second revision."""
    now = snapshot(host.root)
    from_old = differences(now, host.before, True)
    from_new = differences(now, new, False)
    if not from_old or not from_new:
        return "old" if not from_old else "new", []
    closer = "old" if len(from_old) <= len(from_new) else "new"
    return None, [f"neither old nor new; against the {closer} tree:"] + (from_old if closer == "old" else from_new)


# How often recovery ended in the old tree, and in the new one.
verdicts = {"old": 0, "new": 0, None: 0}


def check_tree(host, new, allowed):
    """Lines that say what is wrong after the recovery run."""
    verdict, problems = judge(host, new)
    verdicts[verdict] += 1
    if verdict and verdict not in allowed:
        problems = [f"the tree is {verdict}, but should be {' or '.join(allowed)}"]
    if verdict and (host.pointer() == host.installed) != (verdict == "old"):
        problems = problems + [f"the tree is {verdict}, but the state says {host.pointer()} is installed"]
    return problems + [f"left over: {path!r}" for path in host.leftovers(at_rest=False)]


def check_next(host, new, rng):
    """The state files are good for what comes next."""
    for name in rng.choice([["b"], ["b"], ["b"], ["a", "b"]]):
        done = host.deploy(name)
        if done.status != 0:
            return [f"the next deployment ({name}) failed with {done.status}", *done.text.splitlines()[-8:]]
    verdict, problems = judge(host, new)
    if verdict == "old":
        problems = ["the next deployment succeeded, but the tree is old"]
    return problems + [f"left over afterwards: {path!r}" for path in host.leftovers(at_rest=True)]
