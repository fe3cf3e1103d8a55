"""Runs many trainings or clusterings that differ in some flags and their seeds.

`command` says which flags can be swept, `grid` which runs there are, `claims`
which process does which run, `gpu_slots` which GPUs a run may use (`slot_files`
keeps the locks for it). `scheduler` starts the runs, each as a `worker`;
`progress` prints how it goes, `run_status` reads how each run ended, `metrics`
its figures, and `table` writes them.
"""
