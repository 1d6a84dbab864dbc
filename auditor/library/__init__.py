"""Libraries that put adapters into models: one package each; `library.Library` says what one does."""
