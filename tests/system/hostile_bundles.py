#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bundles that mean harm, or look as if they did: every one is refused or harmless, nothing outside the directory it
goes to is touched, and a refusal leaves nothing behind. They are unpacked by the agent's own library first (the program
bundle-driver), then deployed by drover-agent."""

import gzip
import hashlib
import io
import lzma
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib

import drover

APPSPEC = b"version: 0.0\nos: linux\n"


# ---- tar, block by block


def octal(number, size):
    return b"%0*o\0" % (size - 1, number)


def header(name, kind=b"0", size=0, link=b"", mode=0o644, uid=0, gid=0, mtime=1000000000, raw_size=None,
           raw_mtime=None, raw_uid=None, magic=b"ustar\0" b"00", tail=b""):
    block = bytearray(512)
    fields = ((0, name[:100]), (100, octal(mode, 8)), (108, raw_uid or octal(uid, 8)), (116, octal(gid, 8)),
              (124, raw_size or octal(size, 12)), (136, raw_mtime or octal(mtime, 12)), (148, b" " * 8), (156, kind),
              (157, link[:100]), (257, magic), (345, tail))
    for at, value in fields:
        block[at:at + len(value)] = value
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pad(data):
    return data + bytes(-len(data) % 512)


def entry(name, data=b"", **more):
    return header(name, size=len(data), **more) + pad(data)


def link(name, target):
    return header(name, b"2", link=target, mode=0o777)


def hard(name, target):
    return header(name, b"1", link=target)


def pax(records, kind=b"x"):
    data = b""
    for key, value in records:
        length = len(key) + len(value) + 3
        while len(b"%d" % length) + len(key) + len(value) + 3 != length:
            length = len(b"%d" % length) + len(key) + len(value) + 3
        data += b"%d %s=%s\n" % (length, key, value)
    return entry(b"PaxHeader", data, kind=kind)


def long_name(name, kind=b"L"):
    return entry(b"././@LongLink", name + b"\0", kind=kind, magic=b"ustar  \0")


def tar(*parts):
    return b"".join((entry(b"appspec.yml", APPSPEC),) + parts) + bytes(1024)


def base256(number, size):
    return (number & ((1 << (8 * size)) - 1) | 1 << (8 * size - 1)).to_bytes(size, "big")


def gnu_sparse(name, real_size):
    """A file of old GNU format that claims one block of data and then a hole up to real_size."""
    block = bytearray(header(name, b"S", size=512, magic=b"ustar  \0"))
    block[386:398] = octal(0, 12)
    block[398:410] = octal(512, 12)
    block[483:495] = base256(real_size, 12)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + b"x" * 512


# ---- zip, record by record


def zip_local(name, data, method=0, flags=0, crc=None, size=None, packed=None, extra=b""):
    crc = zlib.crc32(data) if crc is None else crc
    return struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, flags, method, 0, 0x21, crc, len(packed if packed is not None
                       else data), len(data) if size is None else size, len(name), len(extra)) + name + extra + (
                           data if packed is None else packed)


def zip_central(name, data, offset, method=0, flags=0, mode=0o100644, system=3, crc=None, size=None, packed=None,
                extra=b"", disk=0):
    crc = zlib.crc32(data) if crc is None else crc
    return struct.pack("<4sBBHHHHHIIIHHHHHII", b"PK\1\2", 20, system, 20, flags, method, 0, 0x21, crc,
                       len(packed if packed is not None else data), len(data) if size is None else size, len(name),
                       len(extra), 0, disk, 0, mode << 16 & 0xffffffff, offset) + name + extra


def zip_end(n, size, offset, disk=0, comment=b""):
    return struct.pack("<4sHHHHIIH", b"PK\5\6", disk, disk, n, n, size, offset, len(comment)) + comment


def zip_of(*entries, **more):
    """entries: (name, data, options for both records), or with a fourth, the name in the central directory."""
    body, directory = b"", b""
    for name, data, options, *other in entries:
        both = {key: value for key, value in options.items() if key not in ("mode", "system", "disk", "local")}
        directory += zip_central(other[0] if other else name, data, len(body), **{
            key: value for key, value in options.items() if key != "local"})
        body += zip_local(name, data, **{**both, **options.get("local", {})})
    return body + directory + zip_end(more.pop("n", len(entries)), len(directory), len(body), **more)


SPEC = ("appspec.yml".encode(), APPSPEC, {})
ZIP_LINK = {"mode": stat.S_IFLNK | 0o777}


def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


# ---- bundles; each is a name, its bytes, and what is expected

BUNDLES = []
LARGE = 512 << 20
REFUSED, HARMLESS, EITHER = "refused", "harmless", "either"


def bundle(name, data, expected=REFUSED, says="", check=None, options=()):
    BUNDLES.append((name, data, expected, says, check, options))


def content(name, data):
    def check(target):
        path = os.path.join(os.fsencode(target), name)
        with open(path, "rb") as file:
            return file.read() == data
    return check


def outside(place):
    """The ways to a place that is not the bundle's, by a path of `..` and by an absolute one."""
    up = b"../../../outside/"
    absolute = os.fsencode(place) + b"/"

    dotdot = "has '..' in its name"
    bundle("tar: name with ..", tar(entry(up + b"evil", b"x")), says=dotdot)
    bundle("tar: name with .. behind a directory", tar(entry(b"a/b/../../" + up + b"evil", b"x")), says=dotdot)
    bundle("tar: name with .. that stays inside", tar(entry(b"a/../b", b"x")), says=dotdot)
    bundle("tar: name that ends in ..", tar(entry(b"a/..", kind=b"5")), says=dotdot)
    bundle("tar: name ./..", tar(entry(b"./../x", b"x")), says=dotdot)
    bundle("tar: .. split over ustar's prefix", tar(entry(b"evil", b"x", tail=up[:-1])), says=dotdot)
    bundle("tar: absolute name", tar(entry(absolute + b"evil", b"x")), says="absolute name")
    bundle("tar: name with two slashes first", tar(entry(b"/" + absolute + b"evil", b"x")), says="absolute name")
    bundle("tar: pax path with ..", tar(pax([(b"path", up + b"evil")]), entry(b"good", b"x")), says=dotdot)
    bundle("tar: pax path that is absolute", tar(pax([(b"path", absolute + b"evil")]), entry(b"good", b"x")),
           says="absolute name")
    bundle("tar: global pax path with ..", tar(pax([(b"path", up + b"evil")], b"g"), entry(b"good", b"x")), EITHER)
    bundle("tar: GNU long name with ..", tar(long_name(b"d/" * 60 + b"../" * 63 + b"outside/evil"), entry(b"x", b"x")),
           says=dotdot)
    bundle("tar: GNU long name that is absolute", tar(long_name(absolute + b"y" * 120), entry(b"x", b"x")),
           says="absolute name")
    bundle("tar: empty pax path", tar(pax([(b"path", b"")]), entry(b"good", b"x")), EITHER)

    points = "points outside the bundle"
    bundle("tar: link to outside", tar(link(b"l", up + b"canary")), says=points)
    bundle("tar: absolute link", tar(link(b"l", absolute + b"canary")), says=points)
    bundle("tar: link to /", tar(link(b"l", b"/")), says=points)
    bundle("tar: link to ..", tar(link(b"l", b"..")), says=points)
    bundle("tar: link outside from a directory", tar(link(b"a/b/l", b"../../../x")), says=points)
    bundle("tar: pax linkpath to outside", tar(pax([(b"linkpath", up + b"canary")]), link(b"l", b"good")), says=points)
    bundle("tar: GNU long link to outside", tar(long_name(b"x/../" * 40 + up + b"canary", b"K"), link(b"l", b"good")),
           says=points)
    bundle("tar: link to outside by way of another", tar(link(b"a/b/up", b".."), link(b"l", b"a/b/up/../..")),
           says=points)
    bundle("tar: link to outside by way of a later one",
           tar(link(b"l", b"a/b/up/../.."), entry(b"a/b/x"), link(b"a/b/up", b"../.")), says=points)
    bundle("tar: link to outside of the wrapping directory",
           entry(b"repo/appspec.yml", APPSPEC) + link(b"repo/l", b"../bundle.tar") + bytes(1024), says=points)
    bundle("tar: link to nowhere", tar(link(b"l", b"")), says="link to nowhere")
    bundle("tar: appspec that is a link to a host's file",
           link(b"appspec.yml", b"/etc/passwd") + bytes(1024), says=points)
    bundle("tar: links in a circle", tar(link(b"a", b"b"), link(b"b", b"a"), link(b"c", b"a/../b")), HARMLESS)

    below = "lies below a name that is a link or a file"
    bundle("tar: write through a link", tar(link(b"d", b"e"), entry(b"d/x", b"x")), says=below)
    bundle("tar: write through a link to outside", tar(link(b"d", up), entry(b"d/evil", b"x")), says=points)
    bundle("tar: write through an absolute link", tar(link(b"d", absolute), entry(b"d/evil", b"x")), says=points)
    bundle("tar: directory below a link", tar(link(b"d", b"e"), entry(b"d/x/", kind=b"5")), says=below)
    bundle("tar: link below a link", tar(link(b"d", b"e"), link(b"d/x", b"y")), says=below)
    bundle("tar: file in a file", tar(entry(b"f", b"x"), entry(b"f/x", b"x")), says=below)
    bundle("tar: directory replaced by a link", tar(entry(b"d/", kind=b"5"), link(b"d", b"e"), entry(b"d/x", b"x")),
           says="would replace a directory")
    bundle("tar: directory replaced by a file", tar(entry(b"d/x", b"x"), entry(b"d", b"x")),
           says="would replace a directory")
    bundle("tar: link replaced by a directory", tar(link(b"d", b"e"), entry(b"d/", kind=b"5")),
           says="an earlier one of that name is not")
    bundle("tar: file over a link", tar(entry(b"f", b"old"), link(b"l", b"f"), entry(b"l", b"new")), HARMLESS,
           check=lambda target: content(b"f", b"old")(target) and content(b"l", b"new")(target))
    bundle("tar: root as a file", tar(entry(b".", b"x")), says="would replace the bundle's root")
    bundle("tar: root as a link", tar(link(b".", b"x")), says="would replace the bundle's root")

    bundle("tar: hard link to outside", tar(hard(b"h", up + b"canary")), says=dotdot)
    bundle("tar: absolute hard link", tar(hard(b"h", absolute + b"canary")), says="absolute name")
    bundle("tar: hard link to a link", tar(link(b"l", b"x"), hard(b"h", b"l")), says="no regular file")
    bundle("tar: hard link through a link", tar(link(b"l", b"d"), entry(b"d/f", b"x"), hard(b"h", b"l/f")),
           says="through a symbolic link")
    bundle("tar: hard link to a directory", tar(entry(b"d/", kind=b"5"), hard(b"h", b"d")), says="no regular file")
    bundle("tar: hard link to the root", tar(hard(b"h", b".")), says="the bundle's root")
    bundle("tar: hard link to itself", tar(hard(b"h", b"h")), says="hard link")
    bundle("tar: hard link to a later file", tar(hard(b"h", b"f"), entry(b"f", b"x")), says="does not come before")
    bundle("tar: pax hard link with content",
           tar(entry(b"f", b"old"), pax([(b"size", b"3")]), header(b"h", b"1", link=b"f", size=3), pad(b"new")), EITHER)

    bundle("zip: name with ..", zip_of(SPEC, (up + b"evil", b"x", {})), says=dotdot)
    bundle("zip: name with .. and backslashes", zip_of(SPEC, (b"..\\..\\..\\outside\\evil", b"x", {"system": 0})), EITHER)
    bundle("zip: absolute name", zip_of(SPEC, (absolute + b"evil", b"x", {})), says="absolute name")
    bundle("zip: drive letter", zip_of(SPEC, (b"C:\\evil", b"x", {})), HARMLESS)
    bundle("zip: local name with .., central one without",
           zip_of(SPEC, (up + b"evil", b"x", {}, b"good")), says=dotdot)
    bundle("zip: central name with .., local one without", zip_of(SPEC, (b"good", b"x", {}, up + b"evil")), EITHER)
    unicode_path = struct.pack("<HHBI", 0x7075, 5 + len(up + b"\xc3\xa9"), 1, zlib.crc32(b"good")) + up + b"\xc3\xa9"
    bundle("zip: extra unicode name with ..", zip_of(SPEC, (b"good", b"x", {"extra": unicode_path})), says=dotdot)
    bundle("zip: unicode name with ..", zip_of(SPEC, (up + b"\xc3\xa9vil", b"x", {"flags": 0x800})), says=dotdot)
    bundle("zip: link to outside", zip_of(SPEC, (b"l", up + b"canary", ZIP_LINK)), says=points)
    bundle("zip: absolute link", zip_of(SPEC, (b"l", absolute + b"canary", ZIP_LINK)), says=points)
    bundle("zip: write through a link", zip_of(SPEC, (b"d", b"e", ZIP_LINK), (b"d/x", b"x", {})), says=below)
    bundle("zip: write through a link to outside", zip_of(SPEC, (b"d", up, ZIP_LINK), (b"d/evil", b"x", {})),
           says=points)
    bundle("zip: link with a target of 1 MiB", zip_of(SPEC, (b"l", b"x" * (1 << 20), ZIP_LINK)))


def special_files():
    bundle("tar: character device", tar(header(b"null", b"3")), says="is a device")
    bundle("tar: block device", tar(header(b"disk", b"4")), says="is a device")
    bundle("tar: fifo", tar(header(b"pipe", b"6")), says="is a fifo")
    bundle("tar: fifo in place of a file", tar(entry(b"x", b"x"), header(b"x", b"6")), says="is a fifo")
    bundle("tar: entry of an unknown type", tar(entry(b"odd", b"x", kind=b"Z")), EITHER)
    bundle("tar: continued from another volume", tar(entry(b"part", b"x", kind=b"M", magic=b"ustar  \0")), EITHER)
    bundle("tar: name of a volume", tar(header(b"label", b"V", magic=b"ustar  \0")), EITHER)
    bundle("zip: character device", zip_of(SPEC, (b"null", b"", {"mode": stat.S_IFCHR | 0o666})), says="is a device")
    bundle("zip: socket", zip_of(SPEC, (b"sock", b"", {"mode": stat.S_IFSOCK | 0o666})), says="is a socket")
    bundle("zip: fifo", zip_of(SPEC, (b"pipe", b"", {"mode": stat.S_IFIFO | 0o666})), EITHER)

    def no_setuid(target):
        return not any(os.lstat(os.path.join(target, name)).st_mode & 0o6000 for name in os.listdir(target))

    bundle("tar: setuid and setgid", tar(entry(b"u", b"x", mode=0o4755), entry(b"g", b"x", mode=0o2755),
                                         header(b"d/", b"5", mode=0o2755)), HARMLESS, says="loses its setuid bit",
           check=no_setuid)
    bundle("zip: setuid", zip_of(SPEC, (b"u", b"x", {"mode": 0o104755})), HARMLESS, says="loses its setuid bit",
           check=no_setuid)
    capability = bytes.fromhex("0100000200040000000000000000000000000000")

    def no_capability(target):
        return "security.capability" not in os.listxattr(os.path.join(target, "f"))

    bundle("tar: file capabilities", tar(pax([(b"SCHILY.xattr.security.capability", capability)]), entry(b"f", b"x")),
           HARMLESS, says="security.capability", check=no_capability)
    bundle("tar: trusted and system attributes",
           tar(pax([(b"SCHILY.xattr.trusted.x", b"y"), (b"SCHILY.xattr.system.posix_acl_access", b"junk")]),
               entry(b"f", b"x")), HARMLESS, says="trusted.x")


def numbers():
    bundle("tar: negative size", tar(header(b"f", raw_size=base256(-512, 12))))
    bundle("tar: size of 8 EiB", tar(header(b"f", raw_size=base256((1 << 63) - 1, 12))))
    bundle("tar: size of 1 TiB", tar(header(b"f", raw_size=base256(1 << 40, 12))))
    bundle("tar: pax size of 1 TiB", tar(pax([(b"size", b"1099511627776")]), header(b"f")))
    bundle("tar: negative pax size", tar(pax([(b"size", b"-1")]), header(b"f")), EITHER)
    bundle("tar: more content claimed than there is", tar(header(b"f", size=1 << 20)))
    bundle("tar: user number of 64 bits", tar(entry(b"f", b"x", raw_uid=base256(1 << 40, 8))), says="out of range")
    bundle("tar: user number -1", tar(pax([(b"uid", b"4294967295")]), entry(b"f", b"x")), says="out of range")
    bundle("tar: time before all times", tar(entry(b"f", b"x", raw_mtime=base256(-(1 << 62), 12))), EITHER)
    bundle("tar: time after all times", tar(pax([(b"mtime", b"99999999999999999999.9")]), entry(b"f", b"x")), EITHER)
    bundle("tar: hole of 8 EiB", tar(gnu_sparse(b"f", (1 << 63) - 1)))
    bundle("tar: hole of 1 TiB", tar(gnu_sparse(b"f", 1 << 40)), says="the most allowed")
    bundle("tar: hole of 1 GiB", tar(gnu_sparse(b"f", 1 << 30)), says="the most allowed")
    bundle("tar: pax hole of 1 TiB",
           tar(pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"f"),
                    (b"GNU.sparse.realsize", b"%d" % (1 << 40))]), entry(b"f", pad(b"1\n0\n1\n") + b"x")))
    bundle("tar: parts of a sparse file over each other",
           tar(pax([(b"GNU.sparse.major", b"0"), (b"GNU.sparse.minor", b"1"), (b"GNU.sparse.size", b"2000"),
                    (b"GNU.sparse.map", b"0,1000,500,1000")]), entry(b"f", b"x" * 2000)), EITHER)
    bundle("tar: pax header of 2 GiB", tar(header(b"p", b"x", size=(2 << 30) - 1)))
    bundle("tar: pax header of 8 MiB", tar(pax([(b"comment", b"x" * (8 << 20))]), entry(b"f", b"x")), EITHER)
    bundle("tar: pax header that lies about its length", tar(entry(b"p", b"99999999999 path=x\n", kind=b"x"),
                                                             entry(b"f", b"x")), EITHER)
    bundle("tar: 20,000 pax headers in a row", tar(pax([(b"comment", b"x")]) * 20000, entry(b"f", b"x")), EITHER)
    bundle("tar: long name of 1 GiB", tar(header(b"l", b"L", size=1 << 30, magic=b"ustar  \0")))
    bundle("tar: long name without end", tar(*[long_name(b"x" * 1000000)] * 3))
    bundle("tar: a damaged header in the middle", tar(b"\1" * 512, entry(b"f", b"x")))
    bundle("zip: sizes of 4 GiB", zip_of(SPEC, (b"f", b"x", {"size": 0xfffffffe})))
    bundle("zip: zip64 sizes of 8 EiB",
           zip_of(SPEC, (b"f", b"x", {"size": 0xffffffff, "extra": struct.pack("<HHQ", 1, 8, (1 << 63) - 1)})))
    bundle("zip: negative zip64 sizes",
           zip_of(SPEC, (b"f", b"x", {"size": 0xffffffff, "extra": struct.pack("<HHQ", 1, 8, 1 << 63)})))
    bundle("zip: wrong checksum", zip_of(SPEC, (b"f", b"x", {"crc": 1})))
    bundle("zip: local and central size differ", zip_of(SPEC, (b"f", b"xyz", {"local": {"size": 2}})))
    bundle("zip: more entries claimed than there are", zip_of(SPEC, n=65535), EITHER)
    bundle("zip: fewer entries claimed than there are", zip_of(SPEC, (b"f", b"x", {}), n=1), EITHER)
    bundle("zip: part of several disks", zip_of(SPEC, (b"f", b"x", {"disk": 2}), disk=3), EITHER)
    bundle("zip: unknown compression", zip_of(SPEC, (b"f", b"x", {"method": 99})))
    bundle("zip: encrypted", zip_of(SPEC, (b"secret", b"x" * 20, {"flags": 1})), says="is encrypted")
    bundle("zip: directory offset beyond the end", zip_local(*SPEC[:2]) + zip_end(1, 46, 1 << 30))
    bundle("zip: comment that looks like an end", zip_of(SPEC, comment=zip_end(1, 46, 0)), EITHER)
    bundle("zip: two directories, one behind the other", zip_of(SPEC) + zip_of(SPEC, (b"f", b"x", {})), EITHER)
    body = zip_local(b"f", b"x" * 1000)
    overlapping = b"".join(zip_central(b"f%d" % i, b"x" * 1000, 0) for i in range(1000))
    bundle("zip: a thousand entries with one content", body + overlapping + zip_end(1000, len(overlapping), len(body)),
           EITHER)


def names():
    def named(*names):
        return lambda target: all(os.path.lexists(os.path.join(os.fsencode(target), name)) for name in names)

    odd = [b"new\nline", b" blank ", b"\xff\xfe invalid", b"\x1b[31mred", b"tab\t", b"-rf", b"*", b"'\"$(reboot)",
           b"\\back\\slash", b"a:b", b"\xe2\x80\xae", b"..."]
    bundle("tar: odd names", tar(*[entry(name, b"x") for name in odd]), HARMLESS, check=named(*odd))
    bundle("tar: odd names in pax", tar(*[pax([(b"path", name)]) + entry(b"y", b"x") for name in odd]), HARMLESS,
           check=named(*odd))
    decomposed = "cafe\u0301".encode()  # not normalised: names are bytes
    bundle("tar: decomposed unicode in pax", tar(pax([(b"path", decomposed)]), entry(b"y", b"x")), HARMLESS,
           check=named(decomposed))
    bundle("zip: odd names", zip_of(SPEC, *[(name, b"x", {}) for name in odd]), HARMLESS, check=named(*odd))
    bundle("zip: decomposed unicode", zip_of(SPEC, (decomposed, b"x", {"flags": 0x800})), HARMLESS,
           check=named(decomposed))
    bundle("zip: invalid unicode", zip_of(SPEC, (b"\xff\xfe", b"x", {"flags": 0x800})), HARMLESS,
           check=named(b"\xff\xfe"))
    bundle("zip: name with a NUL", zip_of(SPEC, (b"a\0../b", b"x", {})), EITHER)
    bundle("zip: no name", zip_of(SPEC, (b"", b"x", {})))
    bundle("tar: name of 255 bytes", tar(long_name(b"x" * 255), entry(b"y", b"x")), HARMLESS, check=named(b"x" * 255))
    bundle("tar: name of 256 bytes", tar(long_name(b"x" * 256), entry(b"y", b"x")), says="more than 255 bytes")
    bundle("zip: name of 256 bytes", zip_of(SPEC, (b"x" * 256, b"x", {})), says="more than 255 bytes")
    bundle("tar: path of 3,840 bytes", tar(long_name(b"d/" * 1919 + b"xy"), entry(b"y", b"x")), HARMLESS)
    bundle("tar: path of 4,200 bytes", tar(long_name(b"d/" * 2100 + b"x"), entry(b"y", b"x")),
           says="more than 3840 bytes")
    bundle("tar: 1,900 directories deep", tar(long_name(b"d/" * 1900), entry(b"y", kind=b"5")), HARMLESS)
    bundle("tar: the same name twice", tar(entry(b"f", b"one", mode=0o600), entry(b"f", b"two")), HARMLESS,
           check=content(b"f", b"two"))
    bundle("zip: the same name twice", zip_of(SPEC, (b"f", b"one", {}), (b"f", b"two", {})), HARMLESS,
           check=content(b"f", b"two"))
    bundle("tar: the same directory twice", tar(header(b"d/", b"5", mode=0o700), header(b"d/", b"5", mode=0o755)),
           HARMLESS, check=lambda target: drover.mode_of(os.path.join(target, "d")) == 0o755)


def compress(kind, data):
    if kind == "tgz":
        return gzip.compress(data, 9)
    if kind == "tar.xz":
        return lzma.compress(data)
    if kind == "tar.zst":
        return subprocess.run(["zstd", "-q", "-c", "-19", "--check"], input=data, stdout=subprocess.PIPE,
                              check=True).stdout
    return data


def bombs():
    zeros = bytes(128 << 20)
    plain = tar(entry(b"bomb", zeros))
    dense = "times the size of its archive, the most allowed"
    for kind in ("tgz", "tar.zst", "tar.xz"):
        bundle(f"{kind}: 128 MiB of zeros", compress(kind, plain), says=dense)
    many = tar(*[entry(b"bomb%d" % i, zeros[:1 << 20]) for i in range(128)])
    bundle("tgz: 128 times 1 MiB of zeros", compress("tgz", many), says=dense)
    packed = deflated(zeros)
    bundle("zip: 128 MiB of zeros", zip_of(SPEC, (b"bomb", zeros, {"method": 8, "packed": packed})), says=dense)
    packed = deflated(zeros[:4 << 20])
    body = zip_local(b"bomb", zeros[:4 << 20], method=8, packed=packed)
    one = zip_central(b"bomb", zeros[:4 << 20], 0, method=8, packed=packed)
    bundle("zip: 1,000 entries that share one bomb", body + one * 1000 + zip_end(1000, len(one) * 1000, len(body)), EITHER)
    twice = gzip.compress(gzip.compress(plain))
    bundle("tgz: packed twice", twice)
    bundle("tgz: 10 layers", gzip.compress(twice))
    bundle("tar: padding without end", gzip.compress(tar() + bytes(256 << 20)), EITHER)
    bundle("tgz: one pax header of 512 MiB", compress("tgz", header(b"p", b"x", size=512 << 20) + bytes(512 << 20)))
    directory = header(b"d/", b"5", mode=0o755)
    bundle("tgz: 1,100,000 entries", compress("tgz", directory * 1100000 + bytes(1024)),
           says="is one more than 1000000 entries, the most allowed")
    bundle("tar: more entries than allowed", tar(*[entry(b"f%d" % i) for i in range(200)]),
           says="is one more than 100 entries", options=("--entries", "100"))
    bundle("tar: more bytes than allowed", tar(entry(b"f", b"x" * 5000)), says="over 4096 bytes, the most allowed",
           options=("--bytes", "4096"))


def broken():
    chance = random.Random(7)
    noise = chance.randbytes(6000)
    plain = tar(entry(b"d/one", noise), entry(b"d/two", noise[::-1]), link(b"l", b"d/one"))
    whole = {kind: compress(kind, plain) for kind in ("tar", "tgz", "tar.zst", "tar.xz")}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("appspec.yml", APPSPEC)
        archive.writestr("d/one", noise)
        archive.writestr("d/two", noise[::-1])
    whole["zip"] = made.getvalue()
    for kind, data in whole.items():
        bundle(f"{kind}: whole", data, HARMLESS, check=content(b"d/two", noise[::-1]))
        cuts = list(range(1024, len(data), 1024)) + [1, 5, 20, 511, 513, len(data) - 700, len(data) - 40,
                                                     len(data) - 9, len(data) - 3, len(data) - 1]
        for n in sorted(cuts):
            # Of tar's two blocks of zeros one is enough.
            expected = HARMLESS if kind == "tar" and n >= len(data) - 512 else REFUSED
            bundle(f"{kind}: cut off at byte {n}", data[:n], expected)
        for at in range(700, len(data), 1500):
            damaged = bytearray(data)
            damaged[at] ^= 0x55
            bundle(f"{kind}: damaged at byte {at}", bytes(damaged), EITHER if kind == "tar" else REFUSED)
        bundle(f"{kind}: with noise in front", noise[:1000] + data, EITHER)
        bundle(f"{kind}: with noise behind", data + noise[:1000], EITHER)
    bundle("empty file", b"", says="is empty")
    bundle("one byte", b"x", says="is not a zip, tar")
    bundle("noise", noise, says="is not a zip, tar")
    bundle("zeros", bytes(10240))
    bundle("text", b"#!/bin/sh\nreboot\n" * 100, says="is not a zip, tar")
    bundle("gzip of noise", gzip.compress(noise))
    bundle("gzip of a zip", gzip.compress(whole["zip"]))
    bundle("gzip of nothing", gzip.compress(b""))
    bundle("empty zip", zip_end(0, 0, 0), says="has no entries")
    bundle("tar without entries", bytes(1024))
    bundle("cpio", b"070701" + b"0" * 104 + b"TRAILER!!!\0\0\0\0")
    bundle("ar", b"!<arch>\nx               0           0     0     644     2         `\nx\n")
    bundle("7z", b"7z\xbc\xaf\x27\x1c" + noise[:500])
    bundle("mtree", b"#mtree\n./x type=link link=/etc/passwd\n")
    bundle("shell archive", b"#!/bin/sh\n# This is a shell archive\n" + b"x\n" * 500)
    bundle("tar that ends with a zip", tar(entry(b"inner.zip", whole["zip"][-3000:])), HARMLESS)


# ---- what happens to them


def checksum(path):
    """Of everything below a directory: names, kinds, modes, owners, times, contents."""
    total = hashlib.sha256()
    for above, names, files in sorted(os.walk(path)):
        for name in sorted(names + files) + ["."]:
            full = os.path.join(above, name)
            st = os.lstat(full)
            total.update(repr((full, st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, st.st_size, st.st_nlink)).encode(
                errors="surrogateescape"))
            if stat.S_ISREG(st.st_mode):
                with open(full, "rb") as file:
                    total.update(file.read())
    return total.hexdigest()


class Range:
    """A place with things that must not be touched around the directory that bundles go to."""

    def __init__(self, path):
        self.path = path
        self.outside = os.path.join(path, "outside")
        self.state = os.path.join(path, "state")
        self.target = os.path.join(self.state, "deployment", "deployment-archive")
        self.archive = os.path.join(path, "bundle")
        os.makedirs(os.path.join(self.outside, "directory"))
        os.makedirs(os.path.dirname(self.target))
        drover.write(os.path.join(self.outside, "canary"), "sings\n")
        drover.write(os.path.join(self.outside, "directory", "canary"), "sings too\n", 0o600)
        drover.write(os.path.join(self.state, "deployment", "neighbour"), "here\n")
        self.remember()

    def sums(self):
        return [checksum(self.outside), sorted(os.listdir(self.path)), sorted(os.listdir(self.state)),
                drover.read(os.path.join(self.state, "deployment", "neighbour"))]

    def remember(self):
        drover.write(self.archive, b"")
        self.before = self.sums()

    def left(self):
        return sorted(os.listdir(os.path.dirname(self.target)))


def run_driver(place, driver, data, options):
    drover.write(place.archive, data)
    done = subprocess.run([driver, *options, place.archive, place.target], stdin=subprocess.DEVNULL, capture_output=True,
                          env={"PATH": os.environ["PATH"], "DROVER_LIBEXEC_DIR": os.path.dirname(
                              drover.find_program("drover-unpack"))}, timeout=300, check=False)
    return done.returncode, done.stderr.decode()


def judge(place, status, text, expected, says, check):
    """What is wrong, or None."""
    if place.sums() != place.before:
        return "something outside was touched"
    if status not in (0, 1):
        return f"ended with status {status}"
    if "killed by signal" in text or "no result" in text:
        return "died"
    if status == 1 and place.left() != ["neighbour"]:
        return f"left {place.left()}"
    if (expected == REFUSED and status == 0) or (expected == HARMLESS and status != 0):
        return f"is to be {expected}"
    if says not in text:
        return f"says nothing of {says!r}"
    if status == 0 and check and not check(place.target):
        return "unpacked something else"
    return None


def cut_while_read(place, driver):
    """A file that shrinks under its reader, which is stopped meanwhile, half-way or so."""
    with open(place.archive, "wb") as archive:
        archive.write(header(b"large", size=LARGE))
        archive.truncate(512 + LARGE + 1024)
    child = subprocess.Popen([driver, "--bytes", str(2 * LARGE), place.archive, place.target], stdin=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"], "DROVER_LIBEXEC_DIR":
                                                          os.path.dirname(drover.find_program("drover-unpack"))})
    unpack = wait_for_reader(child.pid, place.target)
    os.kill(unpack, signal.SIGSTOP)
    os.truncate(place.archive, 4096)
    os.kill(unpack, signal.SIGCONT)
    _out, text = child.communicate(timeout=300)
    text = text.decode()
    place.remember()
    return "an archive that is cut off while it is read", judge(place, child.returncode, text, REFUSED,
                                                                "was cut off by somebody", None), text


def has_begun(directory):
    for path, _directories, files in os.walk(directory):
        try:
            if "large" in files and os.path.getsize(os.path.join(path, "large")) > 0:
                return True
        except FileNotFoundError:
            pass
    return False


def wait_for_reader(parent, target):
    """The pid of the unpacker once it has written something."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        children = drover.read(f"/proc/{parent}/task/{parent}/children").split()
        if children and has_begun(os.path.dirname(target)):
            return int(children[0])
    raise AssertionError("the unpacker has not begun")


def shown(name):
    return name.replace("#", "number ")


def clear(path):
    subprocess.run(["rm", "-rf", path], check=True)


def unpack_all(place, driver):
    """By the library alone."""
    results = []
    for name, data, expected, says, check, options in BUNDLES:
        status, text = run_driver(place, driver, data, options)
        results.append((name, judge(place, status, text, expected, says, check), text))
        clear(place.target)
    return results


def deploy_all(place):
    """By drover-agent; what is a good archive is still no application."""
    results = []
    for name, data, expected, _says, _check, options in BUNDLES:
        if options:
            continue
        drover.write(place.archive, data)
        done = drover.run(["drover-agent", "deploy", "--bundle", place.archive, "--type", "tar", "--state-dir",
                           place.state, "--install-root", os.path.join(place.state, "installed")], timeout=300)
        wrong = None
        if place.sums()[0:2] != place.before[0:2]:
            wrong = "something outside was touched"
        elif done.status not in (0, 1, 2) or (expected == REFUSED and done.status == 0):
            wrong = f"ended with status {done.status}"
        elif "killed by signal" in done.text:
            wrong = "died"
        results.append((f"{name} (drover-agent)", wrong, done.text))
        if done.status == 0:
            clear(os.path.join(place.state, "installed"))
    return results


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    driver = drover.find_program("bundle-driver")
    if not driver or not drover.find_program("drover-unpack"):
        print("1..0 # SKIP bundle-driver or drover-unpack is not built")
        return 0
    with tempfile.TemporaryDirectory(prefix="drover-hostile-") as path:
        place = Range(path)
        outside(place.outside)
        for make in (special_files, numbers, names, bombs, broken):
            make()
        results = unpack_all(place, driver)
        results.append(cut_while_read(place, driver))
        if drover.find_program("drover-agent"):
            results += deploy_all(place)
    failed = 0
    for number, (name, wrong, text) in enumerate(results, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {shown(name)}")
        if wrong:
            failed += 1
            print(f"# {wrong}")
            for line in text.splitlines():
                print(f"# {line}")
    print(f"1..{len(results)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
