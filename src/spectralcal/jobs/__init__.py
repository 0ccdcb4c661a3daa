"""The steps of the workflow, from a cell of the study to the files it leaves."""
