"""What is used of transformers though it does not promise it, where releases differ: one place to look.

Tried with 4.40, 4.46, 4.48, 4.57 and 5.24.
"""

from __future__ import annotations

import contextlib
from typing import Any


def no_initial_weights() -> contextlib.AbstractContextManager[Any]:
    """A context in which models are built without initial values; it makes building faster, nothing else.

    `modeling_utils.no_init_weights` until 4.57, in `initialization` since 5.0.
    """
    try:
        from transformers.initialization import no_init_weights
    except ImportError:
        from transformers.modeling_utils import no_init_weights
    skipping: contextlib.AbstractContextManager[Any] = no_init_weights()
    return skipping
