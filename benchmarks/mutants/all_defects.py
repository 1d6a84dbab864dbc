"""All defects, in order."""

from __future__ import annotations

from .attention import ATTENTION
from .blocks import BLOCKS
from .generation import GENERATION
from .lanes import LANES
from .replication import REPLICATION
from .whole import WHOLE

DEFECTS = tuple(
    defect
    for collection in (REPLICATION, LANES, BLOCKS, ATTENTION, GENERATION, WHOLE)
    for defect in collection.defects
)
