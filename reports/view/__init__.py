"""What several formats show: texts, tables, graphs."""
