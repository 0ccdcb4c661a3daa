"""The replicated papers, one folder each: printed values, tables, figures and claims."""
