"""Looks at a source host before anything is touched: its Python, and the file system under the queue.

Usage: look-at-queue.py QUEUE; prints a JSON object. Python 3.6, standard library.
"""

import json
import os
import sys

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "lustre", "gpfs", "afs", "9p", "ocfs2", "gfs2")


def unescape(text):
    """A mount point as it is: /proc/self/mounts writes blanks as octal numbers."""
    return text.encode("latin-1", "replace").decode("unicode_escape") if "\\" in text else text


def main(queue):
    try:
        import sqlite3

        sqlite = sqlite3.sqlite_version
    except ImportError:
        sqlite = None
    directory = os.path.dirname(os.path.abspath(queue))
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    directory = os.path.realpath(directory)
    kind, longest = "unknown", -1
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            _, point, fstype = line.split(" ")[:3]
            point = unescape(point)
            inside = directory == point or directory.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= longest:
                kind, longest = fstype, len(point)
    is_network = kind in NETWORK or kind.startswith("fuse.")
    found = {
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "version": list(sys.version_info[:2]),
        "executable": sys.executable,
        "sqlite": sqlite,
        "directory": directory,
        "fstype": kind,
        "is_network": is_network,
    }
    print(json.dumps(found))


main(sys.argv[1])
