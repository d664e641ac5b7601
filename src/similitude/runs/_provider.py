"""Where the files of a published data set are: the folder SIMILITUDE_DATA, the cache, else the network."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from similitude._errors import DataError

OTHER = "another file"


def find_original(name: str, url: str, file: str, sha256: str) -> Path:
    """The path of an original file: ``$SIMILITUDE_DATA/<name>/original/``, then the cache, then a download.

    Raises DataError when none of them has it, or its SHA-256 is another.
    """
    flat = file.replace("/", "__")
    folder = os.environ.get("SIMILITUDE_DATA")
    if folder and (path := Path(folder) / name / "original" / flat).is_file():
        return verified(path, sha256)
    path = cache_folder() / name / flat
    return verified(path, sha256) if path.is_file() else _download(url, path, sha256)


def find_packaged(file: str, sha256: str) -> Path:
    """The path of a table that comes with the package."""
    return verified(Path(__file__).with_name(file), sha256)


def find_local(name: str, file: str, sha256: str, reason: str) -> Path:
    """The path of a local table, ``$SIMILITUDE_DATA/<name>/<file>``; DataError when it is not there or another."""
    folder = os.environ.get("SIMILITUDE_DATA")
    if folder and (path := Path(folder) / name / file).is_file():
        return verified(path, sha256)
    where = folder or "a folder of yours"
    raise DataError(
        f"{name} cannot be downloaded, {reason}; put its table at {name}/{file} under {where}"
        + ("" if folder else " and set SIMILITUDE_DATA to that folder")
    )


def cache_folder() -> Path:
    """Where downloads are kept: $SIMILITUDE_CACHE, else the user's cache folder."""
    if folder := os.environ.get("SIMILITUDE_CACHE"):
        return Path(folder)
    import pooch

    return Path(pooch.os_cache("similitude"))


def verified(path: Path, sha256: str, *, what: str = "published") -> Path:
    """The path itself; DataError where the file there is not the one that is `what`."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path} is not the {what} file: its SHA-256 begins {found[:12]}, expected {sha256[:12]}; "
            f"remove it or put the {what} one there"
        )
    return path


def retrieve(url: str, path: Path, sha256: str) -> str:
    """Fetch a file to a path, where it is kept only with the right hash; else why not, `OTHER` or an error's name."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=path.name, path=path.parent, progressbar=False)
    except ValueError as error:
        if "hash" not in str(error).casefold():
            raise
        return OTHER
    except OSError as error:  # requests' errors are OSErrors too
        return type(error).__name__
    return ""


def _download(url: str, path: Path, sha256: str) -> Path:
    failure = retrieve(url, path, sha256)
    if failure == OTHER:
        raise DataError(f"{url} no longer gives the published file: its SHA-256 is not {sha256[:12]}...")
    if failure:
        raise DataError(
            f"{url} cannot be fetched ({failure}); connect to the network once, or put the file in the "
            f"folder SIMILITUDE_DATA as {path.parent.name}/original/{path.name}"
        )
    return path
