"""JUnit XML: one test case an audit, so that CI systems show what an upgrade breaks as failed tests."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from adapter_audit.auditor.schema.comparison import Comparison, Kind, Pair
from adapter_audit.auditor.schema.result import Finding

from ..comparison_report import ComparisonReport
from ..report import ReportOptions
from ..view import comparison_view as view
from ..view import words


class ComparisonJunit(ComparisonReport):
    """What broke fails, what cannot be audited any more is an error, all else passes with a text."""

    kind = "junit"

    def render(self, comparison: Comparison, options: ReportOptions) -> str:  # noqa: ARG002
        """The XML document."""
        suite = ET.Element("testsuite", name=f"adapter-audit compare: {view.title(comparison)}")
        suite.extend(_case(pair) for pair in comparison.pairs)
        root = ET.Element("testsuites", name="adapter-audit")
        root.append(suite)
        for element in (root, suite):
            element.set("tests", str(len(comparison.pairs)))
            element.set("failures", str(len(comparison.of_kind(Kind.BROKEN))))
            element.set("errors", str(len(comparison.of_kind(Kind.LOST))))
        ET.indent(root)
        return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(pair: Pair) -> ET.Element:
    case = ET.Element("testcase", classname="adapter-audit.compare", name=words.headline(pair.after))
    text = "\n".join([view.headline(pair), *(_line(finding) for finding in pair.causes)])
    sentence = pair.after.error or words.summary(pair.after)
    tag = {Kind.BROKEN: "failure", Kind.LOST: "error"}.get(pair.kind)
    if tag:
        ET.SubElement(case, tag, message=sentence, type=pair.after.verdict.value).text = text
    elif pair.kind is not Kind.SAME:
        ET.SubElement(case, "system-out").text = f"{pair.kind.value}: {text}"
    return case


def _line(finding: Finding) -> str:
    known = f" ({finding.explanation})" if finding.explanation else ""
    return f"{finding.rule} {words.place(finding.primary)} {finding.primary.code}: {finding.message}{known}"
