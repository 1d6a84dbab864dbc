"""Why a defect survives."""

REASONS: dict[str, str] = {}
