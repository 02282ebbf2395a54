"""What a run found, for machines and for READMEs: JSON, JUnit and a Markdown table."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final
from xml.etree import ElementTree as ET

from durable_conformance.catalogue import Entry, Level, catalogue, installed_version
from durable_conformance.verdicts import Ruling, Verdict

__all__ = ["FORMATS", "render"]

_NOT_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_Rulings = Mapping[str, Ruling]

#: The columns of the table, in order; a ruling on a preview or a needless gap is told below it.
_COLUMNS: Final = (Verdict.PASSED, Verdict.FAILED, Verdict.NOT_IMPLEMENTED, Verdict.NOT_APPLICABLE)


def render(report: str, cell: str, profile: str, rulings: _Rulings) -> str:
    """*rulings* on *cell* in the format *report*, one of `FORMATS`."""
    return FORMATS[report](cell, profile, rulings)


def _asked(profile: str) -> Iterator[Entry]:
    """The entries of the profile, in the catalogue's order."""
    return (entry for entry in catalogue().values() if entry.level <= Level.of(profile))


def _as_json(cell: str, profile: str, rulings: _Rulings) -> str:
    clauses = [
        {
            "id": entry.id,
            "level": entry.level.word,
            "since": entry.since,
            "promise": entry.promise,
            "verdict": rulings[entry.id].verdict.value,
            "reason": rulings[entry.id].reason,
        }
        for entry in _asked(profile)
        if entry.id in rulings
    ]
    told = {
        "suite": installed_version(),
        "store": cell,
        "profile": profile,
        "asked": sum(1 for _ in _asked(profile)),
        "counts": {verdict.value: count for verdict, count in _counts(rulings).items()},
        "clauses": clauses,
    }
    return json.dumps(told, ensure_ascii=False, indent=2)


def _as_junit(cell: str, profile: str, rulings: _Rulings) -> str:
    counts = _counts(rulings)
    skipped = counts[Verdict.NOT_IMPLEMENTED] + counts[Verdict.NOT_APPLICABLE] + counts[Verdict.PREVIEW]
    failures = str(counts[Verdict.FAILED])
    suite = ET.Element("testsuite", name=cell, tests=str(len(rulings)), failures=failures, skipped=str(skipped))
    for entry in _asked(profile):
        if (ruling := rulings.get(entry.id)) is None:
            continue
        case = ET.SubElement(suite, "testcase", classname=f"{cell}.{entry.level.word}", name=entry.id)
        if ruling.verdict is Verdict.FAILED:
            ET.SubElement(case, "failure", message=entry.promise).text = _xml_text(ruling.reason)
        elif ruling.verdict is not Verdict.PASSED and ruling.verdict is not Verdict.GAP_PASSES:
            ET.SubElement(case, "skipped", message=_xml_text(f"{ruling.verdict.value}: {ruling.reason}"))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode")


def _as_markdown(cell: str, profile: str, rulings: _Rulings) -> str:
    columns = ("level", "clauses", *(verdict.value for verdict in _COLUMNS), "not run")
    lines = [
        f"`{cell}`, profile {profile}, durable-conformance {installed_version()}:",
        "",
        f"| {' | '.join(columns)} |",
        f"|---|{'--:|' * (len(columns) - 1)}",
    ]
    groups = {level.word: [entry.id for entry in _asked(profile) if entry.level is level] for level in Level}
    lines += [_row(word, asked, rulings) for word, asked in groups.items()]
    lines.append(_row("all", [entry.id for entry in _asked(profile)], rulings))
    for heading in (Verdict.FAILED, Verdict.NOT_IMPLEMENTED, Verdict.GAP_PASSES, Verdict.PREVIEW):
        told = [_item(entry, rulings[entry.id]) for entry in _asked(profile) if _is(heading, entry, rulings)]
        if told:
            lines += ["", f"{heading.value[0].upper()}{heading.value[1:]}:", "", *told]
    return "\n".join(lines)


def _row(name: str, asked: list[str], rulings: _Rulings) -> str:
    counts = _counts({one: rulings[one] for one in asked if one in rulings})
    # A gap that passes is a promise kept, whatever the harness says.
    counts[Verdict.PASSED] += counts[Verdict.GAP_PASSES]
    cells = (len(asked), *(counts[verdict] for verdict in _COLUMNS), len(set(asked) - rulings.keys()))
    return f"| {name} | {' | '.join(map(str, cells))} |"


def _item(entry: Entry, ruling: Ruling) -> str:
    first, _, _ = ruling.reason.partition("\n")
    reason = "" if ruling.verdict is Verdict.FAILED else f" ({first})"
    return f"- {entry.id}: {entry.promise}{reason}"


def _is(verdict: Verdict, entry: Entry, rulings: _Rulings) -> bool:
    return entry.id in rulings and rulings[entry.id].verdict is verdict


def _counts(rulings: _Rulings) -> Counter[Verdict]:
    return Counter(ruling.verdict for ruling in rulings.values())


def _xml_text(text: str) -> str:
    """*text* without the characters that XML has no way to write."""
    return _NOT_XML.sub("?", text)


#: Every format by its name on the command line.
FORMATS: Final[Mapping[str, Callable[[str, str, _Rulings], str]]] = MappingProxyType(
    {"markdown": _as_markdown, "json": _as_json, "junit": _as_junit}
)
