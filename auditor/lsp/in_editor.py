"""From flaws and edits to what an editor understands: its positions, diagnostics and actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lsprotocol import types as lsp
from pygls.workspace import PositionCodec

from ..schema.verdicts import Severity
from ..source.parsed_module import physical_lines

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import Edit, Flaw

SOURCE = "adapter-audit"
SEVERITY = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
    Severity.NOTE: lsp.DiagnosticSeverity.Information,
}


@dataclass(frozen=True)
class Text:
    """A text as the editor has it, and how it counts columns."""

    uri: str
    version: int | None
    text: str
    codec: PositionCodec

    @cached_property
    def lines(self) -> list[str]:
        """Physical lines with their ends."""
        return physical_lines(self.text)

    def position(self, line: int, column: int) -> lsp.Position:
        """The editor's position of a line from 1 and a column from 0 in characters."""
        return self.codec.position_to_client_units(self.lines, lsp.Position(line - 1, column))

    def characters(self, line: int, column: int) -> int:
        """A column in UTF-8 bytes, in characters."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return len(text.encode()[:column].decode(errors="ignore"))


def diagnostic_of(flaw: Flaw, text: Text) -> lsp.Diagnostic:
    """A flaw from its column to the end of its line."""
    from adapter_audit.rules.base import DOCS_URL

    line = text.lines[flaw.line - 1].rstrip() if flaw.line <= len(text.lines) else ""
    end = max(len(line), flaw.column)
    return lsp.Diagnostic(
        range=lsp.Range(text.position(flaw.line, flaw.column - 1), text.position(flaw.line, end)),
        message=flaw.message,
        severity=SEVERITY[flaw.severity],
        code=flaw.rule,
        code_description=lsp.CodeDescription(f"{DOCS_URL}{flaw.rule.lower()}/"),
        source=SOURCE,
    )


def actions_for(flaws: Sequence[Flaw], text: Text, params: lsp.CodeActionParams) -> Iterator[lsp.CodeAction]:
    """The fixes of the flaws in the range, a comment that ignores each, and all fixes of the file at once."""
    wanted = params.context.only
    if _is_asked_for(lsp.CodeActionKind.QuickFix, wanted):
        first, last = params.range.start.line + 1, params.range.end.line + 1
        for flaw in flaws:
            if first <= flaw.line <= last:
                yield from _quick_fixes(flaw, text)
    if _is_asked_for(lsp.CodeActionKind.SourceFixAll, wanted):
        edits = _without_overlaps(flaws)
        if edits:
            yield lsp.CodeAction(
                "adapter-audit: fix all that is safe to fix",
                kind=lsp.CodeActionKind.SourceFixAll,
                edit=_workspace_edit(text, edits),
            )


def _is_asked_for(kind: lsp.CodeActionKind, wanted: Sequence[lsp.CodeActionKind | str] | None) -> bool:
    """Kinds are nested: `source` asks for `source.fixAll`, too."""
    if wanted is None:
        return True
    names = (each.value if isinstance(each, lsp.CodeActionKind) else each for each in wanted)
    return any(f"{kind.value}.".startswith(f"{name}.") for name in names)


def _quick_fixes(flaw: Flaw, text: Text) -> Iterator[lsp.CodeAction]:
    diagnostics = [diagnostic_of(flaw, text)]
    if flaw.edits:
        yield lsp.CodeAction(
            f"Fix {flaw.rule} {flaw.name}",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=diagnostics,
            is_preferred=True,
            edit=_workspace_edit(text, flaw.edits),
        )
    # On a line of its own: behind a comment that is there already, it would be part of that.
    line = text.lines[flaw.line - 1]
    indentation = line[: len(line) - len(line.lstrip())]
    start = lsp.Position(flaw.line - 1, 0)
    comment = f"{indentation}# adapter-audit: ignore[{flaw.rule}] reason\n"
    yield lsp.CodeAction(
        f"Ignore {flaw.rule} here (say why)",
        kind=lsp.CodeActionKind.QuickFix,
        diagnostics=diagnostics,
        edit=_changes(text, [lsp.TextEdit(lsp.Range(start, start), comment)]),
    )


def _without_overlaps(flaws: Sequence[Flaw]) -> list[Edit]:
    """All edits of those fixes that touch no earlier one's, as `lint --fix` chooses them."""
    from ..lint.fixing import chosen_fixes

    return [edit for flaw in chosen_fixes(flaws) for edit in flaw.edits]


def _workspace_edit(text: Text, edits: Sequence[Edit]) -> lsp.WorkspaceEdit:
    return _changes(text, [lsp.TextEdit(_range(edit, text), edit.text) for edit in dict.fromkeys(edits)])


def _range(edit: Edit, text: Text) -> lsp.Range:
    return lsp.Range(
        text.position(edit.line, text.characters(edit.line, edit.column)),
        text.position(edit.end_line, text.characters(edit.end_line, edit.end_column)),
    )


def _changes(text: Text, edits: list[lsp.TextEdit]) -> lsp.WorkspaceEdit:
    """Only for the version that was checked: an editor refuses it when the text is another one by now."""
    document = lsp.OptionalVersionedTextDocumentIdentifier(text.uri, text.version)
    return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(document, list(edits))])
