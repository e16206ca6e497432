"""Scanners that look for real patterns in real files, and an issue tracker that is a folder."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

RULES = {
    "bandit": re.compile(r"\b(eval|exec|pickle\.loads)\("),
    "codeql": re.compile(r"shell=True"),
    "secrets": re.compile(r"(?i)(password|api_key)\s*=\s*['\"][^'\"]+['\"]"),
}


@dataclass
class Scan:
    """One scanner's turn over a folder."""

    scanner: str
    folder: str


@dataclass
class Finding:
    """A line that a rule does not like."""

    scanner: str
    file: str
    line: int


@activity.defn
def scan_folder(scan: Scan) -> list[Finding]:
    """Applies one scanner's rule to every Python file; an unknown scanner can never work."""
    rule = RULES.get(scan.scanner)
    if rule is None:
        raise ApplicationError(f"no scanner is called {scan.scanner}", type="ValidationError")
    attempt = activity.info().attempt
    if scan.scanner == "secrets" and attempt == 1:
        time.sleep(4)  # Longer than the workflow's start-to-close timeout: this attempt is given up.
    if scan.scanner == "codeql" and attempt < 3:
        raise ApplicationError(f"the database is locked (attempt {attempt})", type="DatabaseLocked")
    findings = []
    for path in sorted(Path(scan.folder).rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if rule.search(line):
                findings.append(Finding(scan.scanner, path.name, number))
    return findings


@dataclass
class Issue:
    """What is written into the tracker."""

    tracker: str
    title: str
    findings: list[Finding]


@activity.defn
def open_issue(issue: Issue) -> str:
    """Writes the issue as a file named after the workflow, so that a second attempt overwrites the first."""
    path = Path(issue.tracker, f"{activity.info().workflow_id}.json")
    path.write_text(json.dumps(asdict(issue), indent=2))
    return path.name
