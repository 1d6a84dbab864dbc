"""Which proposals and set-ups work: tried by further audits, within bounds."""
