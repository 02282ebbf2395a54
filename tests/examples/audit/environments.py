"""Environments to audit, and what an audit must find in them: computed here, with nothing of the program."""

from __future__ import annotations

import base64
import csv
import hashlib
import sysconfig
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

__all__ = ["Expected", "expected_reports", "install", "mirror", "real_site_packages"]


def real_site_packages() -> Path:
    """The environment that runs the tests."""
    return Path(sysconfig.get_paths()["purelib"])


def mirror(site: Path, *, most_files: int) -> Path:
    """A site-packages of links into the real one, without distributions of more than *most_files*; to be added to."""
    site.mkdir()
    for entry in real_site_packages().iterdir():
        record = entry / "RECORD"
        if not record.exists() or record.read_text(encoding="utf-8").count("\n") <= most_files:
            (site / entry.name).symlink_to(entry)
    return site


def install(site: Path, name: str, version: str, files: dict[str, bytes]) -> Path:
    """Put a distribution into *site*, with a RECORD as pip writes it; return its dist-info."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    rows = []
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    for path, content in {**files, f"{info.name}/METADATA": metadata}.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
        rows.append(f"{path},sha256={_base64(content)},{len(content)}")
    rows += [f"{name}/__pycache__/gone.cpython-311.pyc,,", f"{info.name}/RECORD,,"]
    (info / "RECORD").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return info


@dataclass(frozen=True)
class Expected:
    """What must be in the tables for one distribution: its report's numbers, and (path, problem) of its findings."""

    files: int
    bytes: int
    findings: frozenset[tuple[str, str]]


def expected_reports(site: Path) -> dict[str, Expected]:
    """By name, what an audit of *site* must report."""
    return {
        found.metadata["Name"].lower().replace("_", "-").replace(".", "-"): _expected(found, site)
        for found in distributions(path=[str(site)])
    }


def _expected(distribution: Distribution, site: Path) -> Expected:
    record = distribution.read_text("RECORD")
    if record is None:
        return Expected(0, 0, frozenset({("RECORD", "no-record")}))
    listed = [row for row in csv.reader(record.splitlines()) if row[1]]
    findings, read = set(), 0
    for path, digest, size in listed:
        try:
            content = (site / path).read_bytes()
        except FileNotFoundError:
            findings.add((path, "missing"))
        except OSError:
            findings.add((path, "unreadable"))
        else:
            read += len(content)
            if str(len(content)) != size:
                findings.add((path, "size"))
            elif f"sha256={_base64(content)}" != digest:
                findings.add((path, "hash"))
    return Expected(len(listed), read, frozenset(findings))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
