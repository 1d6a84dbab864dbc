"""Reports: one file a format. A report is a pure function of audit results and never imports torch."""
