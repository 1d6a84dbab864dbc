"""Why a defect survives, for those that do."""

REASONS: dict[str, str] = {
    "split-off-by-one": "a Split has no reference by token: equal children hide where the border is, and "
    "each adapter still has an effect",
    "prefix-masked-out": "the decoder's self-attention has no mask here, so the prefix acts there; its parts "
    "are kept in one pool and are looked at as one module",
    "position-ids-of-first-row": "the inputs that are made up give every row the same positions",
    "beams-not-reordered": "on this model the probe's beams do not change places before the last step: "
    "sequences and scores are the same with and without the defect",
    "alpha-without-effect": "it is seen (AA210), as a warning, which leaves the verdict as it is",
}
