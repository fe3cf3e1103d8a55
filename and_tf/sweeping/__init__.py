"""Many trainings or clusterings that differ in some flags and in their seeds.

`command` says what can be swept, `grid` which runs there are, `claims` who
does which, `gpu_slots` which GPUs a run may use (`slot_files` keeps the locks
for it), `work` does the runs, each as a `child`, `progress` prints how it goes,
`outcome` reads what became of them, `measures` what was measured, `table`
writes it.
"""
