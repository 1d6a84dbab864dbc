"""The server: it checks the text as the editor has it, saved or not."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from ..lint.check import check_source
from ..lint.engine import known_keys
from ..lint.source_file import SourceFile, Unreadable
from .in_editor import Text, actions_for, diagnostic_of

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import Flaw, SourceRule


def serve(rules: Sequence[SourceRule]) -> None:
    """Until the editor ends it."""
    made_server(rules).start_io()


def made_server(rules: Sequence[SourceRule]) -> LanguageServer:
    """A server that checks with these rules."""
    server = LanguageServer("adapter-audit", version("adapter-audit"))

    def text_of(uri: str) -> Text:
        document = server.workspace.get_text_document(uri)
        return Text(uri, document.version, document.source, document.position_codec)

    def tell(uri: str) -> None:
        text = text_of(uri)
        server.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(
                uri, [diagnostic_of(flaw, text) for flaw in _flaws(text, rules)], text.version
            )
        )

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        tell(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        tell(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    kinds = [lsp.CodeActionKind.QuickFix, lsp.CodeActionKind.SourceFixAll]

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(kinds))
    def actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        text = text_of(params.text_document.uri)
        return list(actions_for(_flaws(text, rules), text, params))

    return server


def _flaws(text: Text, rules: Sequence[SourceRule]) -> list[Flaw]:
    """What the rules find; nothing in a text that is no Python yet, which the editor says itself."""
    try:
        source = SourceFile.parse(text.text.encode(), Path(text.uri))
        return check_source(source, rules, known_keys()).flaws
    except (Unreadable, RecursionError):
        return []
