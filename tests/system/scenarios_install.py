#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What AWS's local tool was seen to do with files, their modes, links, names, and with broken archives."""

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import zipfile

from drover import (FIRST, Agent, Local, Skip, case, case_with_both, mode_of, pack, read, run_all, tree, write)

LATER = ["BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop"]


def target(box, *names):
    return os.path.join(box.target, *names)


@case_with_both
def application_stop_comes_from_the_newest_that_was_installed(box, tool):
    """A deployment whose AfterInstall failed had its Install succeed: it is the one to be stopped."""
    hooks = {event: box.note("bad:") for event in [*LATER, *FIRST]}
    hooks["AfterInstall"] = "#!/bin/sh\nexit 1\n"
    tool.deploy(box.bundle("first", tag="first:")).expect(0)
    box.events()
    tool.deploy(box.bundle("bad", hooks=hooks)).expect(1)
    assert box.events() == ["first:" + event for event in LATER] + ["bad:BeforeInstall"]
    tool.deploy(box.bundle("good", tag="good:")).expect(0)
    assert box.events() == ["bad:" + event for event in LATER] + ["good:" + event for event in FIRST]


@case_with_both
def a_failed_install_is_not_the_one_to_be_stopped(box, tool):
    tool.deploy(box.bundle("first", tag="first:")).expect(0)
    box.events()
    write(target(box, "new.html"), "not ours\n")
    files = {"www/index.html": "x", "www/new.html": "y"}
    tool.deploy(box.bundle("bad", files=files, tag="bad:")).expect(1, "new.html")
    assert read(target(box, "index.html")) == "<h1>first</h1>\n"
    box.events()
    tool.deploy(box.bundle("good", tag="good:")).expect(0)
    assert box.events()[:3] == ["first:" + event for event in LATER]


# ---- modes and times


@case_with_both
def modes_of_files_and_directories_are_kept(box, tool):
    bundle = box.bundle(files={"www/run": "#!/bin/sh\n", "www/secret": "", "www/private/x": ""})
    os.chmod(os.path.join(bundle, "www/run"), 0o755)
    os.chmod(os.path.join(bundle, "www/secret"), 0o600)
    os.chmod(os.path.join(bundle, "www/private"), 0o750)
    tool.deploy(bundle).expect(0)
    assert mode_of(target(box, "run")) == 0o755
    assert mode_of(target(box, "secret")) == 0o600
    assert mode_of(target(box, "private")) == 0o750


@case_with_both
def modes_and_times_of_an_archive_are_kept(box, tool):
    bundle = box.bundle(files={"www/index.html": "x", "www/run": "#!/bin/sh\n"})
    os.chmod(os.path.join(bundle, "www/run"), 0o750)
    os.utime(os.path.join(bundle, "www/index.html"), (1_000_000_000, 1_000_000_000))
    tool.deploy(pack(bundle, box.join("b.tgz"), "tgz"), "tgz").expect(0)
    assert os.stat(target(box, "index.html")).st_mtime == 1_000_000_000
    assert mode_of(target(box, "run")) == 0o750


@case_with_both
def owners_of_an_archive_are_kept(box, tool):
    bundle = box.bundle()
    os.chown(os.path.join(bundle, "www/index.html"), 12345, 23456)
    tool.deploy(pack(bundle, box.join("b.tar"), "tar"), "tar").expect(0)
    st = os.stat(target(box, "index.html"))
    assert (st.st_uid, st.st_gid) == (12345, 23456)


@case_with_both
def empty_directories_are_installed(box, tool):
    bundle = box.bundle()
    os.mkdir(os.path.join(bundle, "www", "empty"), 0o755)
    tool.deploy(bundle).expect(0)
    assert os.listdir(target(box, "empty")) == []


# ---- links


@case_with_both
def links_stay_links(box, tool):
    bundle = box.bundle()
    for name, text in (("to-file", "index.html"), ("dangling", "no/where"), ("to-directory", "css")):
        os.symlink(text, os.path.join(bundle, "www", name))
    tool.deploy(bundle).expect(0)
    assert os.readlink(target(box, "to-file")) == "index.html"
    assert os.readlink(target(box, "dangling")) == "no/where"
    assert os.readlink(target(box, "to-directory")) == "css"


@case_with_both
def a_link_at_the_target_is_replaced_and_not_written_through(box, tool):
    outside = write(box.join("outside"), "precious\n")
    os.makedirs(box.target)
    os.symlink(outside, target(box, "index.html"))
    tool.deploy(box.bundle(), behavior="OVERWRITE").expect(0)
    assert read(outside) == "precious\n"
    assert not os.path.islink(target(box, "index.html"))


# ---- permissions


def permissions(box, text):
    return "permissions:\n" + text.replace("TARGET", box.target)


@case_with_both
def a_pattern_matches_direct_children_only(box, tool):
    files = {name: "" for name in ("www/a.txt", "www/b.md", "www/sub/c.txt")}
    extra = permissions(box, '  - object: TARGET\n    pattern: "*.txt"\n    mode: 600\n')
    tool.deploy(box.bundle(files=files, extra=extra)).expect(0)
    assert [mode_of(target(box, name)) for name in ("a.txt", "b.md", "sub/c.txt")] == [0o600, 0o644, 0o644]


@case_with_both
def two_stars_match_everything_below_but_not_the_object(box, tool):
    files = {name: "" for name in ("www/a.txt", "www/sub/c.txt", "www/sub/deep/d.txt")}
    extra = permissions(box, '  - object: TARGET\n    pattern: "**"\n    mode: 700\n')
    os.makedirs(box.target, 0o755)
    tool.deploy(box.bundle(files=files, extra=extra)).expect(0)
    names = ("a.txt", "sub", "sub/c.txt", "sub/deep", "sub/deep/d.txt")
    assert [mode_of(target(box, name)) for name in names] == [0o700] * 5
    assert mode_of(box.target) == 0o755


@case_with_both
def what_is_excepted_keeps_its_mode(box, tool):
    files = {name: "" for name in ("www/a.txt", "www/b.txt", "www/c.md")}
    extra = permissions(box, '  - object: TARGET\n    pattern: "**"\n    except: ["b.txt", "*.md"]\n    mode: 600\n')
    tool.deploy(box.bundle(files=files, extra=extra)).expect(0)
    assert [mode_of(target(box, name)) for name in ("a.txt", "b.txt", "c.md")] == [0o600, 0o644, 0o644]


@case_with_both
def the_type_chooses_files_or_directories(box, tool):
    files = {name: "" for name in ("www/sub/a", "www/b")}
    extra = permissions(box, '  - object: TARGET\n    mode: 640\n    type: [file]\n'
                             '  - object: TARGET\n    mode: 750\n    type: [directory]\n')
    tool.deploy(box.bundle(files=files, extra=extra)).expect(0)
    assert [mode_of(target(box, name)) for name in ("sub", "sub/a", "b")] == [0o750, 0o640, 0o640]


@case_with_both
def a_setuid_mode_with_an_owner_stays_setuid(box, tool):
    extra = permissions(box, '  - object: TARGET\n    pattern: tool\n    mode: "4711"\n'
                             '    owner: daemon\n    group: daemon\n')
    tool.deploy(box.bundle(files={"www/tool": "x"}, extra=extra)).expect(0)
    st = os.stat(target(box, "tool"))
    assert (st.st_mode & 0o7777, st.st_uid, st.st_gid) == (0o4711, 1, 1)


@case_with_both
def an_unknown_owner_fails_before_anything_is_placed(box, tool):
    extra = permissions(box, '  - object: TARGET\n    owner: nobody-knows-me\n')
    tool.deploy(box.bundle(extra=extra)).expect(1, "nobody-knows-me")
    assert not os.path.exists(box.target)


@case_with_both
def access_control_lists_are_set(box, tool):
    extra = permissions(box, '  - object: TARGET\n    pattern: index.html\n    mode: 660\n'
                             '    acls: ["u:daemon:rw"]\n')
    tool.deploy(box.bundle(extra=extra)).expect(0)
    listed = subprocess.run(["getfacl", "-cpE", target(box, "index.html")], capture_output=True, text=True, check=True)
    assert "user:daemon:rw-" in listed.stdout.split(), listed.stdout


# ---- what is not ours, and what was


@case_with_both
def a_users_own_file_survives_with_its_directory(box, tool):
    tool.deploy(box.bundle("first", files={"www/data/ours": "1", "www/index.html": "1"})).expect(0)
    write(target(box, "data", "theirs"), "mine\n")
    tool.deploy(box.bundle("second", files={"www/index.html": "2"})).expect(0)
    assert read(target(box, "data", "theirs")) == "mine\n"
    assert not os.path.exists(target(box, "data", "ours"))
    assert read(target(box, "index.html")) == "2"


@case_with_both
def what_the_new_revision_lacks_is_removed(box, tool):
    tool.deploy(box.bundle("first", files={"www/old/deep/x": "1", "www/index.html": "1"})).expect(0)
    tool.deploy(box.bundle("second", files={"www/index.html": "2"})).expect(0)
    assert os.listdir(box.target) == ["index.html"]


@case_with_both
def a_file_may_become_a_directory_and_the_reverse(box, tool):
    tool.deploy(box.bundle("first", files={"www/a": "file", "www/b/inner": "x", "www/c/inner": "x"})).expect(0)
    second = box.bundle("second", files={"www/a/inner": "deep", "www/b": "flat"})
    os.symlink("a", os.path.join(second, "www", "c"))
    tool.deploy(second).expect(0)
    assert read(target(box, "a", "inner")) == "deep"
    assert read(target(box, "b")) == "flat"
    assert os.readlink(target(box, "c")) == "a"


@case_with_both
def a_running_program_is_replaced(box, tool):
    bundle = box.bundle("first", files={"www/x": ""})
    subprocess.run(["cp", "/bin/sleep", os.path.join(bundle, "www", "daemon")], check=True)
    tool.deploy(bundle).expect(0)
    running = subprocess.Popen([target(box, "daemon"), "60"])
    try:
        bundle = box.bundle("second", files={"www/x": ""})
        subprocess.run(["cp", "/bin/true", os.path.join(bundle, "www", "daemon")], check=True)
        tool.deploy(bundle).expect(0)
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()


@case
def no_more_revisions_are_kept_than_configured(box):
    box.configure(max_revisions=2)
    tool = Local(box)
    kept = []
    for number in range(5):
        tool.deploy(box.bundle(f"b{number}")).expect(0)
        kept.append(len(tool.deployments()))
    assert kept == [1, 2, 2, 2, 2]
    assert tool.pointer() in tool.deployments()


@case_with_both
def five_revisions_are_kept_by_default(box, tool):
    for number in range(7):
        tool.deploy(box.bundle(f"b{number}")).expect(0)
    assert len(tool.deployments()) == 5


# ---- archives that are not what they are said to be


@case_with_both
def the_type_of_an_archive_is_found_by_its_content(box, tool):
    for number, (real, said) in enumerate([("tgz", "tar"), ("tar", "tgz"), ("tar", "zip"), ("zip", "tar")]):
        bundle = box.bundle(f"b{number}")
        tool.deploy(pack(bundle, box.join(f"{number}.archive"), real), said).expect(0)
        assert read(target(box, "index.html")) == f"<h1>b{number}</h1>\n"


def assert_untouched(box, tool):
    assert box.events() == []
    assert not os.path.exists(box.target)
    for deployment in tool.deployments() if os.path.isdir(tool.root) else []:
        assert not os.path.exists(os.path.join(deployment, "deployment-archive")), os.listdir(deployment)


@case_with_both
def truncated_archives_fail_and_leave_nothing(box, tool):
    bundle = box.bundle(files={"www/index.html": "x" * 5000, "www/noise": os.urandom(20000)})
    for kind in ("zip", "tar", "tgz"):
        whole = pack(bundle, box.join("whole." + kind), kind)
        with open(whole, "rb") as file:
            content = file.read()
        # The zeros that end a tar file may be missing; nothing else may.
        whole_bytes = len(content.rstrip(b"\0"))
        for part in (0, 1, 100, whole_bytes // 2, whole_bytes - 2000, whole_bytes - 20):
            cut = write(box.join(f"cut-{part}.{kind}"), content[:part])
            tool.deploy(cut, kind).expect((1, 2))
            assert_untouched(box, tool)


def hostile(box, kind, name):
    path = box.join(f"hostile.{kind}")
    appspec = b"version: 0.0\nos: linux\n"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("appspec.yml", appspec)
            archive.writestr(name, "evil")
        return path
    with tarfile.open(path, "w") as archive:
        for member, content in (("appspec.yml", appspec), (name, b"evil")):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@case_with_both
def a_member_that_leaves_the_bundle_is_refused_by_name(box, tool):
    for kind in ("zip", "tar"):
        for name in ("../evil", "a/../../evil", box.join("evil")):
            tool.deploy(hostile(box, kind, name), kind).expect((1, 2), "evil")
            assert_untouched(box, tool)
    evil = [os.path.join(above, name) for above, _, names in os.walk(box.path) for name in names if name == "evil"]
    assert evil == []


# ---- names

NAMES = [b"a blank", b"\xc3\xa4\xe6\xbc\xa2.txt", b"new\nline", b"\xff\xfe\x80", b"-rf", b"'\"$`\\*?[", b"~", b"...",
         b"tab\there", b"x" * 255, b"%s%n", b"#", b":colon"]


def make_odd_names(bundle):
    for name in NAMES:
        with open(os.path.join(os.fsencode(bundle), b"www", name), "wb") as file:
            file.write(b"content of " + name)


def assert_odd_names(box):
    found = set(os.listdir(os.fsencode(box.target)))
    assert found == set(NAMES), found ^ set(NAMES)
    for name in NAMES:
        with open(os.path.join(os.fsencode(box.target), name), "rb") as file:
            assert file.read() == b"content of " + name


@case_with_both
def any_bytes_are_a_legal_name_in_a_directory(box, tool):
    bundle = box.bundle(files={})
    os.mkdir(os.path.join(bundle, "www"))
    write(os.path.join(bundle, "appspec.yml"),
          f"version: 0.0\nos: linux\nfiles:\n  - source: www\n    destination: {box.target}\n")
    make_odd_names(bundle)
    tool.deploy(bundle).expect(0)
    assert_odd_names(box)
    before = tree(box.target)
    tool.deploy(bundle).expect(0)  # and what was installed is known again
    assert tree(box.target) == before


@case_with_both
def any_bytes_are_a_legal_name_in_an_archive(box, tool):
    bundle = box.bundle(files={})
    os.mkdir(os.path.join(bundle, "www"))
    write(os.path.join(bundle, "appspec.yml"),
          f"version: 0.0\nos: linux\nfiles:\n  - source: www\n    destination: {box.target}\n")
    make_odd_names(bundle)
    archive = box.join("b.tar")
    subprocess.run(["tar", "-C", bundle, "-cf", archive, "."], check=True)
    tool.deploy(archive, "tar").expect(0)
    assert_odd_names(box)
    os.unlink(archive)
    subprocess.run(["zip", "-qry", archive, "."], cwd=bundle, check=True)
    tool.deploy(archive, "zip").expect(0)
    assert_odd_names(box)


@contextlib.contextmanager
def btrfs(box):
    """A btrfs of its own, mounted for the case."""
    if not shutil.which("mkfs.btrfs"):
        raise Skip("needs btrfs-progs")
    image, volume = box.join("image"), box.join("volume")
    with open(image, "wb") as file:
        file.truncate(300 << 20)
    os.mkdir(volume)
    subprocess.run(["mkfs.btrfs", "-q", image], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    if subprocess.run(["mount", "-o", "loop", image, volume], check=False).returncode != 0:
        raise Skip("no btrfs, or no loop devices")
    try:
        yield volume
    finally:
        subprocess.run(["umount", volume], check=True)


@case
def subvolumes_of_btrfs_are_deployed_to(box):
    """They have no mount of their own, yet no name can be moved between them."""
    with btrfs(box) as volume:
        box.target = os.path.join(volume, "target")
        for path in (box.target, target(box, "inner")):
            subprocess.run(["btrfs", "-q", "subvolume", "create", path], check=True)
        tool = Agent(box)
        tool.deploy(box.bundle("first", {"www/a": "1", "www/d/x": "1", "www/inner/x": "1"})).expect(0)
        bundle = box.bundle("second", {"www/a": "2", "www/inner/x": "2"})
        os.symlink("a", os.path.join(bundle, "www/d"))
        tool.deploy(bundle).expect(0)
        assert read(target(box, "d")) == "2"
        assert read(target(box, "inner/x")) == "2"
        tool.deploy(box.bundle("third", {"www/a": "2"})).expect(0)
        assert sorted(os.listdir(box.target)) == ["a", "inner"]
        assert os.listdir(volume) == ["target"]


if __name__ == "__main__":
    run_all()
