"""The pytest plugin: options, the marker, the fixture, and what is reported of all audits of a run.

Loaded by its entry point in every run of pytest where this package is installed: it imports nothing that a
run without audits does not need.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .assertion import STRICT, assert_compatible, defaults

if TYPE_CHECKING:
    from ..schema.result import AuditResult

MARKER = "adapter_audit"
RESULTS = "adapter_audit_results"
"""Attribute of a test's report: the audits of the test, as JSON; it comes through from xdist's workers."""
_of_this_test: list[AuditResult] = []
_of_the_run = pytest.StashKey[list[str]]()
_of_the_item = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, all of which begin with `--adapter-audit`."""
    group = parser.getgroup("adapter-audit", "audits of adapter compositions")
    group.addoption("--adapter-audit", action="store_true", help="test what the configuration declares, too")
    group.addoption(
        "--adapter-audit-fail-on",
        metavar="LEVEL",
        default=STRICT,
        help=f"what fails a test: error, warning, note or never, `,unknown` for open questions ({STRICT})",
    )
    group.addoption(
        "--adapter-audit-static-only", action="store_true", help="shapes only, nothing is executed"
    )
    group.addoption(
        "--adapter-audit-report",
        metavar="KIND=FILE",
        action="append",
        default=[],
        help="a report of all audits of the run; repeatable",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the options the defaults of `assert_compatible`. Raises pytest.UsageError for a wrong one."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(model, compose, **fields): audit this before the test, which fails with the report; "
        f"the fixture {MARKER}_result is the result",
    )
    config.stash[_of_the_run] = []
    defaults.fail_on = config.getoption("adapter_audit_fail_on")
    defaults.static_only = config.getoption("adapter_audit_static_only")
    if defaults.fail_on != STRICT or config.getoption("adapter_audit_report"):
        _check(config)
    if _of_this_test.append not in defaults.seen:
        defaults.seen.append(_of_this_test.append)


def _check(config: pytest.Config) -> None:
    """Refuse wrong options before the first test."""
    from adapter_audit.reports.report import find

    from ..errors import UsageError
    from ..project.fail_on import FailOn

    try:
        FailOn.read(defaults.fail_on)
        for kind, file in _reports(config):
            find(kind)
            if not file.name or not file.absolute().parent.is_dir():
                raise UsageError(f"--adapter-audit-report {kind} has no file that can be written")
    except UsageError as error:
        raise pytest.UsageError(error.line) from error


def _reports(config: pytest.Config) -> list[tuple[str, Path]]:
    pairs = (text.partition("=") for text in config.getoption("adapter_audit_report"))
    return [(kind, Path(file)) for kind, _, file in pairs]


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the declared audits, where they are asked for."""
    if config.getoption("adapter_audit"):
        from .declared_items import declared_items

        items.extend(declared_items(session))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Audit what the marker of a test says; a marker without arguments only marks."""
    for marker in item.iter_markers(MARKER):
        if marker.args or marker.kwargs:
            item.stash[_of_the_item] = assert_compatible(*marker.args, **marker.kwargs)


@pytest.fixture
def adapter_audit_result(request: pytest.FixtureRequest) -> AuditResult:
    """The result of the audit that the test's marker asked for."""
    found: AuditResult | None = request.node.stash.get(_of_the_item, None)
    if found is None:
        raise pytest.UsageError(f"the test has no marker @pytest.mark.{MARKER}(model, compose)")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the audits of a phase of a test into its report."""
    report = yield
    setattr(report, RESULTS, [result.model_dump_json() for result in _of_this_test])
    _of_this_test.clear()
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Gather the reports where all of them arrive: not in a worker of xdist."""
    config = session.config
    if config.getoption("adapter_audit_report") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Gatherer(config), "adapter_audit_gatherer")


class _Gatherer:
    """Writes the reports of all audits at the end of a run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the audits of a test, by its name."""
        self.results += [(report.nodeid, text) for text in getattr(report, RESULTS, ())]

    def pytest_sessionfinish(self) -> None:
        """Write the files, in the order of the tests' names (workers finish in any)."""
        from adapter_audit.reports.report import render

        from ..schema.result import AuditResult

        ordered = sorted(self.results, key=lambda pair: pair[0])
        read = [AuditResult.model_validate(json.loads(text)) for _, text in ordered]
        named = [
            result if result.id else result.model_copy(update={"id": nodeid})
            for (nodeid, _), result in zip(ordered, read, strict=True)
        ]
        for kind, file in _reports(self.config):
            file.write_text(render(kind, named), encoding="utf-8")
