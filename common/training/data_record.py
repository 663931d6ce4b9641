"""Notices data that changed between two starts of a run: it records the files, not their contents."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from common.base.arguments import as_option
from common.base.errors import InputError
from common.base.files import update_with_status
from data_prep import folders, volumes


def record_of(config):
    """Returns what tells apart the files that the paths in a configuration name, a JSON-compatible dictionary.

    It has an entry for each option with a path that exists: the number of files, their bytes, and a digest of their
    names, sizes and times of modification.

    Args:
        config: dataclass; its fields that are dataclasses count as well.
    """
    found = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found.update(record_of(value))
        elif isinstance(value, Path) and value.exists():
            found[field.name] = record_of_path(value)
    return found


def record_of_path(path):
    digest, names = hashlib.sha256(), names_of(path)
    total = update_with_status(digest, path, names)
    return {"files": len(names), "bytes": total, "digest": digest.hexdigest()[:16]}


def names_of(path):
    """Returns the names of the files that a path stands for: itself, or the images of a folder, its 3D models, or its
    array files."""
    if not path.is_dir():
        return [""]
    known = folders.find(path).names or folders.find(path, volumes.is_model).names
    return known or sorted(item.name for item in os.scandir(path) if item.is_file() and item.name[0] != ".")


def refuse_changed(path, record):
    """Refuses data whose record differs from the one in a file, which a run of an earlier version does not have.

    Raises:
        InputError: with what has changed.
    """
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text("utf-8"))
        changes = [difference(name, before[name], facts) for name, facts in record.items() if name in before]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}); continue with --allow-changed-data.") from error
    if any(changes):
        raise InputError(
            f"The data has changed since the last start of this run: {'; '.join(filter(None, changes))}. Restore it, "
            "start over with --restart, or continue with the changed data: --allow-changed-data."
        )


def difference(name, before, now):
    """Returns what has changed about the files of an option, as text; None if nothing has.

    >>> difference("data", {"files": 3, "bytes": 9, "digest": "a"}, {"files": 4, "bytes": 12, "digest": "b"})
    '--data had 3 files of 9 bytes and has 4 of 12'
    """
    if before["digest"] == now["digest"]:
        return None
    old, new = ((facts["files"], facts["bytes"]) for facts in (before, now))
    if old == new:
        return f"files of {as_option(name)} have other names or times of modification"
    return f"{as_option(name)} had {old[0]:,} files of {old[1]:,} bytes and has {new[0]:,} of {new[1]:,}"
