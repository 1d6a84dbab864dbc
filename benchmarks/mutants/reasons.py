"""Why a defect survives, for those that do: none does at the time of writing."""

REASONS: dict[str, str] = {}
