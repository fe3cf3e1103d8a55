"""The variables that Slurm sets for tasks: what is read, what is refused."""

from __future__ import annotations

import re

import pytest

from and_tf.distribution import slurm, strategy
from and_tf.utils.errors import InputError

STEP = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NODELIST": "n[9-10],gpu1",
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
}
# By SLURM_PROCID: Slurm's own order of nodes.
TASKS = [("n9", 0), ("n9", 1), ("n10", 0), ("n10", 1), ("gpu1", 0)]


@pytest.fixture
def srun(monkeypatch):
    """Sets the variables of a task, with changes; None removes one."""
    monkeypatch.delenv("TF_CONFIG", raising=False)

    def call(number: int, **changes: str | None) -> None:
        node, local = TASKS[number]
        own = {
            "SLURM_PROCID": str(number),
            "SLURMD_NODENAME": node,
            "SLURM_LOCALID": str(local),
        }
        for name, value in {**STEP, **own, **changes}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return call


def test_each_task_finds_its_own_address(srun):
    """Whichever order TensorFlow sorts nodes into."""
    found = []
    for number, (node, local) in enumerate(TASKS):
        srun(number)
        assert slurm.is_set()
        cluster = slurm.read()
        address = f"{node}:{20_000 + 7 * 16 + local}"
        assert cluster.addresses[cluster.index] == address
        found.append((cluster.addresses, cluster.index))
    assert len({addresses for addresses, _ in found}) == 1
    assert sorted(index for _, index in found) == list(range(5))


def test_jobs_have_ports_of_their_own_below_those_of_clients():
    ports = [slurm.port(str(job)) for job in (0, 1, 749, 750, 10**9)]
    assert ports[3] == ports[0] and len(set(ports[:3])) == 3
    assert all(20_000 <= port < 32_768 - 16 for port in ports)


@pytest.mark.parametrize("number", [None, "", "1", "x", "-2"])
def test_a_process_of_no_step_or_alone_in_it_trains_alone(srun, number):
    srun(0, SLURM_STEP_NUM_TASKS=number)
    assert not slurm.is_set()


def test_auto_takes_tf_config_first_and_then_the_tasks(srun, monkeypatch):
    srun(0, SLURM_STEP_NODELIST="n[")
    with pytest.raises(InputError, match="variables that srun sets"):
        strategy.build("auto")
    assert strategy.build("default").num_replicas_in_sync == 1
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(InputError, match="Expected TF_CONFIG"):
        strategy.build("auto")


@pytest.mark.parametrize(
    "changes",
    [
        {"SLURM_STEP_NODELIST": None},
        {"SLURM_STEP_NODELIST": "rack[1-2]n[1-2]"},
        {"SLURM_STEP_NODELIST": "n[9-10]"},
        {"SLURM_STEP_TASKS_PER_NODE": "two"},
        {"SLURM_PROCID": "first"},
        {"SLURM_LOCALID": "2"},
        {"SLURMD_NODENAME": "elsewhere"},
        {"SLURMD_NODENAME": None},
    ],
)
def test_refuses_in_one_sentence(srun, changes):
    srun(0, **changes)
    with pytest.raises(InputError, match=r"srun sets for .*TF_CONFIG") as found:
        slurm.read()
    assert not re.search("\n", str(found.value))
