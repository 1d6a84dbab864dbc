"""`adapter-audit lsp` with a real client over stdio: pygls' own, as an editor would be."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from adapter_audit.auditor.lint.engine import run

FLAWED = """class ToyWithAdapters(ToyAdaptersMixin, Toy):
    def forward(self, hidden_states):
        bsz, s, _ = hidden_states.size()
        word = "😀"; q = self.q(hidden_states); q = q.view(bsz, -1, 4)  # a face is two units in UTF-16
        return q, word
"""
Checked = Callable[["Editor"], Coroutine[Any, Any, None]]


class Editor:
    """A client that keeps the last diagnostics of each file."""

    def __init__(self) -> None:
        self.client = LanguageClient("editor", "1")
        self.told: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()

        @self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def told(params: lsp.PublishDiagnosticsParams) -> None:
            self.told.put_nowait(params)

    async def start(self, folder: Path, *options: str) -> lsp.InitializeResult:
        await self.client.start_io(sys.executable, "-m", "adapter_audit.auditor.cli", "lsp", *options)
        result = await self.client.initialize_async(
            lsp.InitializeParams(lsp.ClientCapabilities(), root_uri=folder.as_uri())
        )
        self.client.initialized(lsp.InitializedParams())
        return result

    async def open(self, uri: str, text: str) -> list[lsp.Diagnostic]:
        item = lsp.TextDocumentItem(uri, lsp.LanguageKind.Python, 1, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return await self.diagnostics()

    async def change(self, uri: str, version: int, text: str) -> list[lsp.Diagnostic]:
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(version, uri),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )
        return await self.diagnostics()

    async def diagnostics(self) -> list[lsp.Diagnostic]:
        return list((await asyncio.wait_for(self.told.get(), 60)).diagnostics)

    async def actions(self, uri: str, at: lsp.Range, *only: str) -> list[lsp.CodeAction]:
        context = lsp.CodeActionContext([], list(only) or None)
        params = lsp.CodeActionParams(lsp.TextDocumentIdentifier(uri), at, context)
        found = await self.client.text_document_code_action_async(params)
        return [action for action in found or [] if isinstance(action, lsp.CodeAction)]

    async def stop(self) -> None:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        await self.client.stop()


def with_editor(folder: Path, check: Checked, *options: str) -> None:
    async def session() -> None:
        editor = Editor()
        await editor.start(folder, *options)
        try:
            await check(editor)
        finally:
            await editor.stop()

    asyncio.run(asyncio.wait_for(session(), 200))


def applied(text: str, action: lsp.CodeAction) -> str:
    """The text after an action, its columns counted in UTF-16 as the editor does."""
    assert action.edit is not None
    assert action.edit.document_changes is not None
    (change,) = action.edit.document_changes
    assert isinstance(change, lsp.TextDocumentEdit)
    lines = text.splitlines(keepends=True)
    starts = [len("".join(lines[:n]).encode("utf-16-le")) for n in range(len(lines) + 1)]
    data = text.encode("utf-16-le")
    edits = sorted(change.edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True)
    for edit in edits:
        first, last = (starts[p.line] + 2 * p.character for p in (edit.range.start, edit.range.end))
        data = data[:first] + edit.new_text.encode("utf-16-le") + data[last:]
    return data.decode("utf-16-le")


def of_lint(folder: Path, text: str, *, fix: bool = False) -> tuple[list[tuple[str, int]], str]:
    """What the command finds in the same text, and the text after `--fix`."""
    file = folder / "for_lint.py"
    file.write_text(text)
    report = run([file], fix=fix)
    return [(flaw.rule, flaw.line) for _, flaw in report.flaws], file.read_text()


def test_diagnostics_and_fixes_while_a_file_is_edited(tmp_path: Path) -> None:
    found, _ = of_lint(tmp_path, FLAWED)
    _, fixed = of_lint(tmp_path, FLAWED, fix=True)
    assert found
    assert fixed != FLAWED

    async def check(editor: Editor) -> None:
        uri = (tmp_path / "model.py").as_uri()
        told = await editor.open(uri, FLAWED)
        assert [(d.code, d.range.start.line + 1) for d in told] == found
        assert {d.source for d in told} == {"adapter-audit"}
        everywhere = lsp.Range(lsp.Position(0, 0), lsp.Position(len(FLAWED.splitlines()), 0))
        (all_at_once,) = await editor.actions(uri, everywhere, lsp.CodeActionKind.SourceFixAll)
        assert applied(FLAWED, all_at_once) == fixed
        quick = await editor.actions(uri, told[0].range, lsp.CodeActionKind.QuickFix)
        ignore = next(action for action in quick if action.title.startswith("Ignore"))
        ignored = applied(FLAWED, ignore)
        left = await editor.change(uri, 2, ignored)
        assert len(left) == len(told) - 1
        assert await editor.change(uri, 3, applied(FLAWED, all_at_once)) == []
        assert await editor.change(uri, 4, "def half(") == []
        assert await editor.actions(uri, everywhere) == []

    with_editor(tmp_path, check)


def test_rules_can_be_left_out(tmp_path: Path) -> None:
    (first, _), *_ = of_lint(tmp_path, FLAWED)[0]

    async def check(editor: Editor) -> None:
        told = await editor.open((tmp_path / "model.py").as_uri(), FLAWED)
        assert first not in {d.code for d in told}

    with_editor(tmp_path, check, "--ignore", first)
