"""The language server: what `lint` finds while a file is edited, and its fixes as actions."""
