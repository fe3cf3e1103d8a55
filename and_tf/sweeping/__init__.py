"""Runs many trainings or clusterings that differ in flags and seeds.

`command` defines the flags that can be swept and `grid` lists the runs.
`claims` assigns runs to processes and `gpu_slots` assigns GPUs to runs, by
locks in `slot_files`. `scheduler` starts the runs, each as a `worker`, in an
order by which `donors` saves repeated work; or `job_files` writes them as jobs
for a cluster. `progress` prints the progress,
`run_status` reads the state of each run, `metrics` reads its figures, and
`table` writes them.
"""
