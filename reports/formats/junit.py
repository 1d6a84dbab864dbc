"""JUnit XML: one suite an audit, one test case a finding, for CI systems that show test results."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from adapter_audit.auditor.schema.result import AuditResult, Finding, Severity, Verdict

from ..report import Report, ReportOptions
from ..view import words


class JunitReport(Report):
    """Errors and warnings fail, notes pass with a text; `unknown` is an error; what did not run, skipped."""

    kind = "junit"
    suffix = ".xml"

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:  # noqa: ARG002
        """The XML document."""
        root = ET.Element("testsuites", name="adapter-audit")
        for result in results:
            root.append(_suite(result))
        _count(root, list(root.iter("testcase")))
        ET.indent(root)
        body = ET.tostring(root, encoding="unicode", short_empty_elements=True)
        return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _suite(result: AuditResult) -> ET.Element:
    about = words.headline(result)
    seconds = sum(result.seconds.model_dump().values())
    suite = ET.Element("testsuite", name=about, time=f"{seconds:.3f}")
    cases = [_case(about, finding) for finding in words.open_findings(result)]
    if not cases or result.error:
        cases.append(_whole(about, result))
    for skip in result.skipped:
        case = ET.Element("testcase", classname=about, name=skip.rule)
        ET.SubElement(case, "skipped", message=skip.reason)
        cases.append(case)
    suite.extend(cases)
    _count(suite, cases)
    return suite


def _whole(about: str, result: AuditResult) -> ET.Element:
    case = ET.Element("testcase", classname=about, name="verdict")
    sentence = result.error or words.summary(result)
    if result.error or result.verdict is Verdict.UNKNOWN:
        ET.SubElement(case, "error", message=sentence, type=result.verdict.value)
    elif result.verdict is not Verdict.COMPATIBLE:
        ET.SubElement(case, "failure", message=sentence, type=result.verdict.value)
    return case


def _case(about: str, finding: Finding) -> ET.Element:
    name = f"{finding.rule} {finding.name} {finding.primary.module}".rstrip()
    case = ET.Element("testcase", classname=about, name=name)
    if finding.severity is Severity.NOTE:
        ET.SubElement(case, "system-out").text = _text(finding)
    else:
        ET.SubElement(case, "failure", message=finding.message, type=finding.severity.value).text = _text(
            finding
        )
    return case


def _text(finding: Finding) -> str:
    place = finding.primary
    lines = [
        finding.message,
        f"at {words.place(place)} {place.code}" if place.file else "",
        f"in {place.module}" if place.module else "",
        *(f"{name}: {shape}" for name, shape in finding.shapes.items()),
        *(f"{number}. {step.text}" for number, step in enumerate(finding.evidence, 1)),
        *(f"to do ({fix.status}): {fix.title}" for fix in words.ordered_fixes(finding)),
    ]
    return "\n".join(line for line in lines if line)


def _count(element: ET.Element, cases: Sequence[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(plural, str(sum(case.find(tag) is not None for case in cases)))
