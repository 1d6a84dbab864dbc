"""Independent judge of adapter compositions: runs the real thing on tiny random models and compares.

Shares no code with the auditor on purpose: it is what the auditor is measured against.
"""
