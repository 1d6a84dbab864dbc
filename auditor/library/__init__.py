"""Libraries that put adapters into models. One file each; `base.Backend` says what a backend does."""
