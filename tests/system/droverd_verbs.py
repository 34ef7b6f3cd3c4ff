#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""droverd's verbs besides run: init, check-config, backup and restore; what they leave when they are killed or the disk
is full, and what a hostile archive can do."""

import configparser
import hashlib
import io
import json
import os
import pwd
import random
import re
import shutil
import sqlite3
import stat
import subprocess
import tarfile

import drover
import droverd
import faults
from drover import case, mode_of, read, run, run_all, tree, write

FILES = {"droverd.yml", "ca.pem", "admin.credentials"}
KEYS = {"ca.key", "server.key", "server.pem", "signing.key", "signing.pem", "aws-signing.key", "aws-signing.pem",
        "admin.json"}


def program():
    return drover.find_program("droverd")


def env():
    found = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    found.update({key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")})
    return found


def tool(*words, **more):
    return run([program(), *words], env=env(), **more)


def make(box, name="ctl", *more):
    """An initialised directory with a database in it."""
    directory = box.join(name)
    tool("init", directory, *more).expect(0)
    with sqlite3.connect(os.path.join(directory, "droverd.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE kept (value TEXT)")
        database.execute("INSERT INTO kept VALUES ('first')")
    return directory


def config(directory):
    return os.path.join(directory, "droverd.yml")


def openssl(*words):
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout


def is_complete(directory):
    return (set(os.listdir(directory)) - {".unfinished"} == FILES | {"keys"}
            and set(os.listdir(os.path.join(directory, "keys"))) == KEYS)


# ---- init


@case
def init_makes_what_it_says(box):
    directory = box.join("ctl")
    done = tool("init", directory, "--name", "ctl.example.net,192.0.2.7", "--listen", "0.0.0.0:8443").expect(
        0, "server certificate (ctl.example.net, 192.0.2.7, 90 d)", "owner root, mode 0600",
        "Back up now, off this machine: droverd backup --with-keys FILE", f"--config {directory}/droverd.yml")
    assert is_complete(directory), tree(directory).keys()
    for above, names, files in os.walk(directory):
        for name in files:
            assert mode_of(os.path.join(above, name)) == (0o644 if name == "ca.pem" else 0o600), name
        for name in names:
            assert mode_of(os.path.join(above, name)) == 0o700, name
    assert mode_of(directory) == 0o700
    shown = openssl("x509", "-in", f"{directory}/ca.pem", "-noout", "-fingerprint", "-sha256")
    assert f"SHA256:{shown.split('=')[1].strip().replace(':', '').lower()}" in done.out
    found = configparser.ConfigParser()
    found.read(f"{directory}/admin.credentials")
    assert re.fullmatch("AKIA[A-Z2-7]{16}", found["drover"]["aws_access_key_id"])
    assert re.fullmatch("[A-Za-z0-9+/]{40}", found["drover"]["aws_secret_access_key"])
    tool("check-config", "--config", config(directory)).expect(0, "no problems found")


@case
def its_certificates_are_what_openssl_takes_them_for(box):
    directory = box.join("ctl")
    tool("init", directory, "--name", "ctl.example.net").expect(0)
    ca, keys = f"{directory}/ca.pem", f"{directory}/keys"
    openssl("verify", "-CAfile", ca, "-purpose", "sslserver", "-verify_hostname", "a.ctl.example.net",
            f"{keys}/server.pem")
    openssl("verify", "-CAfile", ca, f"{keys}/signing.pem", f"{keys}/aws-signing.pem")
    for name in ("signing.pem", "aws-signing.pem"):
        refused = subprocess.run(["openssl", "verify", "-CAfile", ca, "-purpose", "sslserver", f"{keys}/{name}"],
                                 capture_output=True, check=False)
        assert refused.returncode != 0, name
        text = openssl("x509", "-in", f"{keys}/{name}", "-noout", "-ext", "extendedKeyUsage")
        assert "critical" in text and "2.25.209510278411958585187397312572229004323.1" in text, text
    assert "RSA" in openssl("pkey", "-in", f"{keys}/aws-signing.key", "-noout", "-text")[:40] or "2048 bit" in openssl(
        "pkey", "-in", f"{keys}/aws-signing.key", "-noout", "-text")


@case
def a_second_init_changes_nothing(box):
    directory = make(box)
    before = tree(directory)
    tool("init", directory).expect(1, "holds a controller already; nothing was changed")
    assert tree(directory) == before
    other = box.join("other")
    write(os.path.join(other, "photo.jpg"), "x")
    tool("init", other).expect(1, "is not empty (it holds photo.jpg); give a new or an empty directory")
    assert os.listdir(other) == ["photo.jpg"]


@case
def root_gives_the_files_to_the_user_of_the_service(box):
    user = pwd.getpwnam("nobody")
    directory = box.join("ctl")
    tool("init", directory, "--user", "nobody").expect(0, "owner nobody")
    for path in tree(directory).values():
        assert (path[2], path[3]) == (user.pw_uid, user.pw_gid), path
    assert os.stat(directory).st_uid == user.pw_uid
    tool("check-config", "--config", config(directory)).expect(0)
    # What root can read and the service cannot is found.
    os.chown(f"{directory}/keys/server.key", 0, 0)
    tool("check-config", "--config", config(directory)).expect(1, "keys/server.key: Permission denied")
    tool("init", box.join("x"), "--user", "no-such-user").expect(2, "there is no user no-such-user")


@case
def wrong_use_is_status_2_with_advice(box):
    for words, said in ((["init"], "DIR is missing"), (["init", "a", "b"], "'b' is one word too many"),
                        (["init", box.join("a"), "--name", "a b"], "'a b' is neither a DNS name nor an address"),
                        (["init", box.join("a"), "--listen", "host:1"], "names are not looked up"),
                        (["init", box.join("a"), "--nmae", "x"], "did you mean --name?"),
                        (["restore", "a"], "DIR is missing"), (["backup", ""], "FILE is empty"),
                        (["run", "--log-level", "loud"], "one of error, warning, notice, info, debug"),
                        (["chekc-config"], "did you mean check-config?"), ([], "usage: droverd VERB")):
        tool(*words).expect(2, said)
    assert not os.path.exists(box.join("a"))
    tool("--version").expect(0, "droverd ")
    tool("backup", "--help").expect(0, "--with-keys")


def calls_of(argv, cleanup):
    done = faults.run(argv, ["--count"], env())
    assert done.status == 0, done.text
    cleanup()
    return done.calls


@case
def an_init_that_was_killed_is_no_obstacle_and_never_taken_for_complete(box):
    rng = random.Random(faults.seed())
    directory = box.join("ctl")
    argv = [program(), "init", directory]

    def away():
        shutil.rmtree(directory, ignore_errors=True)

    total = calls_of(argv, away)
    for number in faults.spread(rng, total, 25):
        faults.run(argv, [f"--kill={number}"], env())
        if os.path.exists(config(directory)):
            assert is_complete(directory), (number, tree(directory).keys())
            tool("init", directory).expect(1, "holds a controller already")
        else:
            tool("check-config", "--config", config(directory)).expect(1)
            tool("init", directory).expect(0)
            assert is_complete(directory) and ".unfinished" not in os.listdir(directory), number
        tool("check-config", "--config", config(directory)).expect(0)
        away()


@case
def an_init_without_room_leaves_nothing(box):
    rng = random.Random(faults.seed())
    directory = box.join("ctl")
    argv = [program(), "init", directory]
    total = calls_of(argv, lambda: shutil.rmtree(directory))
    for number in faults.spread(rng, total, 15):
        done = faults.run(argv, [f"--error={number}+:ENOSPC"], env())
        if done.status == 0:  # the last calls are for tidiness
            assert is_complete(directory)
        else:
            assert done.status == 1 and "No space left on device" in done.text, (number, done.text)
            assert os.path.exists(config(directory)) == ("is complete, but" in done.text), (number, done.text)
        if not os.path.exists(config(directory)):
            tool("init", directory).expect(0)
        assert is_complete(directory), number
        shutil.rmtree(directory)


# ---- check-config


@case
def all_mistakes_in_the_file_are_told_with_their_places(box):
    directory = make(box)
    write(config(directory), "nams: [a]\nlimits: { headers: 1000 }\nlisten:\n"
                             "  - { address: '0.0.0.0:80', protocol: plain }\nlong_poll: 60\n")
    tool("check-config", "--config", config(directory)).expect(
        1, "droverd.yml:1:1: error: unknown key 'nams', did you mean 'names'?",
        "droverd.yml:2:20: error: limits.headers: '1000' is not a number from 8 to 128",
        "droverd.yml:4:40: error: protocol plain at 0.0.0.0:80 would send secrets over the network",
        "droverd.yml:5:12: error: long_poll: '60' is not a time from 0s to 5m (with its unit: ms, s, m, h or d)",
        "has 4 errors")


@case
def what_is_wrong_with_keys_and_certificates_is_all_told(box):
    directory, other = make(box), make(box, "other")
    keys = f"{directory}/keys"
    shutil.copy(f"{other}/keys/signing.key", f"{keys}/signing.key")       # of another certificate
    for kind in ("key", "pem"):                                           # of another authority
        shutil.copy(f"{other}/keys/aws-signing.{kind}", f"{keys}/aws-signing.{kind}")
    os.chmod(f"{keys}/ca.key", 0o644)
    write(f"{keys}/admin.json", "{}")
    os.chmod(directory, 0o755)
    os.unlink(f"{keys}/server.key")
    tool("check-config", "--config", config(directory)).expect(
        1, "certificate", "is not that of the key", "ca.key is open to every user", "cannot open", "keys/server.key",
        "admin.json", "is open to every user of this machine: chmod o= it", "errors, 1 warning")


@case
def a_signer_of_another_authority_or_usage_is_found(box):
    directory, other = make(box), make(box, "other")
    keys = f"{directory}/keys"
    for kind in ("key", "pem"):
        shutil.copy(f"{other}/keys/aws-signing.{kind}", f"{keys}/aws-signing.{kind}")
        shutil.copy(f"{keys}/server.{kind}", f"{keys}/signing.{kind}")
    tool("check-config", "--config", config(directory)).expect(
        1, "aws-signing.pem: error: was not issued by", "signing.pem: error: lacks the extended key usage 2.25.2095")


@case
def certificates_that_end_or_lack_a_name_are_found(box):
    directory = make(box)
    keys = f"{directory}/keys"
    write(box.join("ext"), "subjectAltName=DNS:ctl\nextendedKeyUsage=serverAuth\n")
    openssl("req", "-new", "-key", f"{keys}/server.key", "-subj", "/CN=x", "-out", box.join("csr"))

    def issue(days):
        openssl("x509", "-req", "-in", box.join("csr"), "-CA", f"{directory}/ca.pem", "-CAkey", f"{keys}/ca.key",
                "-days", str(days), "-extfile", box.join("ext"), "-out", f"{keys}/server.pem")

    issue(3)
    tool("check-config", "--config", config(directory)).expect(
        0, "server.pem: warning: expires at", "in 2 d; nobody can connect from then on",
        "server.pem: warning: does not bear the name localhost: who connects by it is refused", "0 errors, 4 warnings")
    issue(0)
    tool("check-config", "--config", config(directory)).expect(1, "server.pem: error: expired at")


@case
def every_key_is_in_the_manual(_box):
    table = read(os.path.join(drover.SOURCE, "controller/settings_table.c"))
    manual = read(os.path.join(drover.SOURCE, "doc/man/droverd.yml.5"))
    names = re.findall(r'^\t(?:PATH|COUNT|SIZE|TIME)\((?:"\w*", )?"(\w+)"', table, re.M)
    names += re.findall(r'^\t\{ "(\w+)", (?:read_|settings_read_)', read(
        os.path.join(drover.SOURCE, "controller/settings.c")), re.M)
    assert len(names) > 35, names
    for name in names:
        assert re.search(rf'^\.(BR|B) "?{name}\b', manual, re.M), name


# ---- backup and restore


def members(path):
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive.getmembers()}


def values(directory):
    with sqlite3.connect(os.path.join(directory, "droverd.db")) as database:
        return [row[0] for row in database.execute("SELECT value FROM kept ORDER BY rowid")]


@case
def a_backup_says_whether_it_holds_keys(box):
    directory = make(box)
    plain, whole = box.join("plain.tar"), box.join("whole.tar")
    tool("backup", "--config", config(directory), plain).expect(0, "mode 0600, without keys", "keep it secret")
    tool("backup", "--config", config(directory), "--with-keys", whole).expect(0, "with keys: whoever has it")
    assert mode_of(plain) == mode_of(whole) == 0o600
    assert set(members(plain)) == {"backup.json", "droverd.yml", "droverd.db", "ca.pem"}
    assert set(members(whole)) == set(members(plain)) | {f"keys/{name}" for name in KEYS}
    assert json.loads(members(plain)["backup.json"])["HoldsKeys"] is False
    assert json.loads(members(whole)["backup.json"])["HoldsKeys"] is True
    # No key is anywhere in what says that it holds none.
    with open(plain, "rb") as file:
        assert b"PRIVATE KEY" not in file.read()
    assert sorted(os.listdir(box.path)) == sorted(
        {"ctl", "plain.tar", "whole.tar"} | ({"codedeployagent.yml"} & set(os.listdir(box.path))))


@case
def a_backup_holds_what_is_committed_while_others_write(box):
    directory = make(box)
    database = sqlite3.connect(os.path.join(directory, "droverd.db"), isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO kept VALUES ('second')")
    tool("backup", "--config", config(directory), "--with-keys", box.join("a.tar")).expect(0)
    database.execute("COMMIT")  # in the write-ahead log alone so far
    tool("backup", "--config", config(directory), "--with-keys", box.join("b.tar")).expect(0)
    database.close()
    for name, expected in (("a", ["first"]), ("b", ["first", "second"])):
        tool("restore", box.join(name + ".tar"), box.join(name)).expect(0, "localhost as it was at")
        assert values(box.join(name)) == expected
        tool("check-config", "--config", config(box.join(name))).expect(0)


@case
def what_is_there_is_not_replaced(box):
    directory = make(box)
    write(box.join("old.tar"), "precious")
    tool("backup", "--config", config(directory), box.join("old.tar")).expect(1, "is there already")
    tool("backup", "--config", config(directory), box.join("none/new.tar")).expect(
        1, f"cannot write a backup into {box.join('none/')}: No such file or directory")
    assert read(box.join("old.tar")) == "precious"
    tool("backup", "--config", config(directory), "--with-keys", box.join("new.tar")).expect(0)
    before = tree(directory)
    tool("restore", box.join("new.tar"), directory).expect(1, "holds a controller already; nothing was changed")
    assert tree(directory) == before


@case
def without_keys_it_is_said_what_must_be_done(box):
    directory = make(box)
    tool("backup", "--config", config(directory), box.join("a.tar")).expect(0)
    tool("restore", box.join("a.tar"), box.join("a")).expect(
        1, "keys/ca.key: error: is missing: this backup was made without keys", "Keys are missing.",
        "every host must be enrolled", "again.")
    tool("check-config", "--config", config(box.join("a"))).expect(1, "keys/ca.key")
    shutil.copytree(f"{directory}/keys", box.join("a/keys"))
    tool("check-config", "--config", config(box.join("a"))).expect(0)


@case
def files_kept_elsewhere_come_back_with_a_word_where_they_belong(box):
    directory = make(box)
    os.makedirs(box.join("ssl"))
    os.rename(f"{directory}/keys/server.key", box.join("ssl/own.key"))
    with open(config(directory), "a", encoding="utf-8") as file:
        file.write(f"server_key: {box.join('ssl/own.key')}\n")
    tool("backup", "--config", config(directory), "-k", box.join("a.tar")).expect(0)
    tool("restore", box.join("a.tar"), box.join("a")).expect(
        0, f"{box.join('a')}/elsewhere/server_key: warning: droverd.yml expects it at {box.join('ssl/own.key')}")
    assert read(box.join("a/elsewhere/server_key")) == read(box.join("ssl/own.key"))


@case
def a_backup_that_was_killed_or_had_no_room_leaves_no_file_of_its_name(box):
    rng = random.Random(faults.seed())
    directory = make(box)
    path = box.join("a.tar")
    argv = [program(), "backup", "--config", config(directory), "-k", path]
    total = calls_of(argv, lambda: os.unlink(path))
    for kind in ("--kill={}", "--error={}+:ENOSPC", "--error={}:EIO"):
        for number in faults.spread(rng, total, 12):
            for name in os.listdir(box.path):
                if ".tmp" in name and kind.startswith("--error"):
                    os.unlink(box.join(name))  # of one that was killed
            done = faults.run(argv, [kind.format(number)], env())
            if os.path.exists(path):
                assert set(members(path)) > {f"keys/{name}" for name in KEYS}, (kind, number, done.text)
                os.unlink(path)
            else:
                assert done.status in (1, 137), (kind, number, done.text)
            if kind.startswith("--error") and done.status != 0:
                left = {name for name in os.listdir(box.path) if ".tmp" in name}
                assert not left, (kind, number, left)
    assert values(directory) == ["first"]
    tool(*argv[1:]).expect(0)  # whatever they left is no obstacle
    assert not [name for name in os.listdir(box.path) if ".tmp" in name]


@case
def a_restore_that_was_killed_or_had_no_room_is_never_taken_for_complete(box):
    rng = random.Random(faults.seed())
    directory = make(box)
    tool("backup", "--config", config(directory), "-k", box.join("a.tar")).expect(0)
    target = box.join("b")
    argv = [program(), "restore", box.join("a.tar"), target]
    total = calls_of(argv, lambda: shutil.rmtree(target))
    for kind in ("--kill={}", "--error={}+:ENOSPC"):
        for number in faults.spread(rng, total, 15):
            faults.run(argv, [kind.format(number)], env())
            if not os.path.exists(config(target)):
                tool(*argv[1:]).expect(0)
            assert values(target) == ["first"], (kind, number)
            tool("check-config", "--config", config(target)).expect(0)
            shutil.rmtree(target)


def pack(path, entries, hashes=None):
    """A backup with these entries: (TarInfo or name, bytes)."""
    files = []
    for one, data in entries:
        name = one if isinstance(one, str) else one.name
        files.append({"Name": name, "Bytes": len(data), "Sha256": hashlib.sha256(data).hexdigest()})
    index = json.dumps({"Format": 1, "Version": "0.1.0", "CreatedMs": 1, "Name": "x", "HoldsKeys": True,
                        "Files": hashes if hashes is not None else files}).encode()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for one, data in [("backup.json", index)] + entries:
            info = tarfile.TarInfo(one) if isinstance(one, str) else one
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@case
def a_hostile_archive_gets_nowhere(box):
    directory = make(box)
    tool("backup", "--config", config(directory), "-k", box.join("good.tar")).expect(0)
    yml = ("droverd.yml", b"doors: 1\n")
    wild = {
        "absolute": [yml, (box.join("escaped"), b"x")],
        "dotdot": [yml, ("../escaped", b"x")],
        "hidden dotdot": [yml, ("keys/../../escaped", b"x")],
        "unknown": [yml, ("keys/authorized_keys", b"x")],
        "symlink": [(special("keys", tarfile.SYMTYPE, box.path), b""), yml],
        "link to a file": [(special("droverd.db", tarfile.SYMTYPE, "/etc/passwd"), b""), yml],
        "hard link": [yml, (special("ca.pem", tarfile.LNKTYPE, "/etc/passwd"), b"")],
        "device": [yml, (special("ca.pem", tarfile.CHRTYPE), b"")],
        "fifo": [yml, (special("ca.pem", tarfile.FIFOTYPE), b"")],
        "directory": [yml, (special("keys", tarfile.DIRTYPE), b"")],
        "twice": [yml, yml],
        "the index twice": [yml, ("backup.json", b"{}")],
        "no settings": [("ca.pem", b"x")],
        "nothing": [],
    }
    for what, entries in wild.items():
        pack(box.join("bad.tar"), entries)
        target = box.join("target")
        done = tool("restore", box.join("bad.tar"), target)
        assert done.status == 1 and ("is no backup" in done.err or "is damaged" in done.err
                                     or "File exists" in done.err), (what, done)
        assert not os.path.exists(target) or os.listdir(target) == [], (what, os.listdir(target))
        assert not os.path.exists(box.join("escaped")), what
    with open(box.join("good.tar"), "rb") as file:
        good = file.read()
    for what, data in {
            "empty": b"", "cut": good[:len(good) // 2], "cut index": good[:700], "a zip": b"PK\3\4" + good[4:],
            "gzip": b"\x1f\x8b\x08" + good[3:], "noise": random.Random(1).randbytes(20000),
            "changed": good.replace(b"SQLite format 3\0", b"SQLite format 4\0"),
            "index of another format": good.replace(b'"Format": 1', b'"Format": 2'),
            "index that is none": good.replace(b'"Format": 1', b'"Format": {'),
    }.items():
        with open(box.join("bad.tar"), "wb") as file:
            file.write(data)
        done = tool("restore", box.join("bad.tar"), box.join("target"))
        assert done.status == 1 and done.err.startswith("droverd: "), (what, done)
        assert not os.path.exists(box.join("target")) or os.listdir(box.join("target")) == [], what


@case
def modes_and_owners_of_the_archive_do_not_count(box):
    info = tarfile.TarInfo("droverd.yml")
    info.mode, info.uid, info.gid = 0o6777, 12345, 12345
    pack(box.join("a.tar"), [(info, b"doors: 1\n"), ("ca.pem", b"x")])
    tool("restore", box.join("a.tar"), box.join("a"), "--user", "root").expect(0, "x as it was at")
    st = os.lstat(box.join("a/droverd.yml"))
    assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o600, 0, 0)


@case
def a_backup_of_a_running_controller_goes_on_elsewhere(box):
    with droverd.Droverd(box) as controller:
        for number in range(30):
            controller.call("CreateApplication", applicationName=f"app-{number:02}")
        tool("backup", "--config", controller.config, "-k", box.join("a.tar")).expect(0)
        controller.call("CreateApplication", applicationName="later")
        expected = [f"app-{number:02}" for number in range(30)]
        assert sorted(controller.call("ListApplications")["applications"]) == expected + ["later"]
        controller.stop()
        shutil.move(controller.directory, box.join("gone"))
        tool("restore", box.join("a.tar"), controller.directory).expect(0)
        controller.start()
        assert sorted(controller.call("ListApplications")["applications"]) == expected


run_all(droverd.needs)
