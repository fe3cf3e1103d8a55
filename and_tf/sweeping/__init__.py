"""Many trainings or clusterings that differ in some flags and in their seeds.

`command` says what can be swept, `grid` which runs there are, `claims` who
does which, `work` does them one after another, `outcome` reads what became of
them, `measures` what was measured, `table` writes it.
"""
