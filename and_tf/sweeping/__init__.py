"""Many trainings that differ in some flags and in their seeds.

`grid` says which runs there are, `claims` who trains which, `work` trains
them one after another, `outcome` reads what became of them, `table` writes it.
"""
