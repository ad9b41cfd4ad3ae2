"""What others make of many short commands on Slurm: run by scripts/bench/cluster/slurm.

    rivals.py dask|parsl|submitit COMMANDS NODES SLOTS FOLDER

Dask and Parsl run them in jobs that stay, submitit gives each a job of its own, in an array. Each command is a process,
`sh -c "sleep 1"`, as a trial of muster's is. One line: the seconds from its submission (of Dask and Parsl, whose workers are
waited for: from the first command's start) to the last one's end, the share of NODES x SLOTS that commands had meanwhile, and the CPU milliseconds of this process
and its children for each.
"""

import json
import os
import pathlib
import resource
import sys
import time


def task(_):
    import subprocess
    import time

    begun = time.time()
    subprocess.run(["sh", "-c", "sleep 1"], check=True)
    return begun, time.time()


def with_dask(commands, nodes, slots, folder):
    import dask
    import dask_jobqueue
    import distributed

    dask.config.set({"distributed.scheduler.work-stealing": True})
    with dask_jobqueue.SLURMCluster(queue="main", cores=slots, processes=1, memory="4GB", walltime="00:10:00", interface="lo",
                                    local_directory=folder, log_directory=folder, scheduler_options={"dashboard": False}) as pool:
        pool.scale(jobs=nodes)
        with distributed.Client(pool) as client:
            client.wait_for_workers(nodes, timeout=120)
            return client.gather(client.map(task, range(commands), pure=False))


def with_parsl(commands, nodes, slots, folder):
    import parsl
    from parsl.executors import HighThroughputExecutor
    from parsl.launchers import SingleNodeLauncher
    from parsl.providers import SlurmProvider

    os.chdir(folder)
    os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"  # of its own programs
    executor = HighThroughputExecutor(
        label="pilots", address="127.0.0.1", max_workers_per_node=slots, cores_per_worker=1,
        provider=SlurmProvider(partition="main", nodes_per_block=1, cores_per_node=slots, init_blocks=nodes, min_blocks=nodes,
                               max_blocks=nodes, walltime="00:10:00", exclusive=False, launcher=SingleNodeLauncher()))
    with parsl.load(parsl.Config(executors=[executor], run_dir=f"{folder}/run", usage_tracking=0)):
        app = parsl.python_app(task)
        while len(executor.connected_managers()) < nodes:
            time.sleep(0.2)
        return [future.result() for future in [app(number) for number in range(commands)]]


def with_submitit(commands, nodes, slots, folder):
    import submitit

    executor = submitit.SlurmExecutor(folder=folder)
    executor.update_parameters(partition="main", time=10, nodes=1, ntasks_per_node=1, cpus_per_task=1, mem="100M",
                               array_parallelism=nodes * slots)
    begun = time.time()
    jobs = executor.map_array(task, range(commands))
    return [(begun, begun), *(job.result() for job in jobs)]


def main():
    name, commands, nodes, slots, folder = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    spans = {"dask": with_dask, "parsl": with_parsl, "submitit": with_submitit}[name](commands, nodes, slots, folder)
    cpu = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    took = max(end for _, end in spans) - min(begun for begun, _ in spans)
    print(json.dumps({"seconds": took, "busy": sum(end - begun for begun, end in spans) / (took * nodes * slots),
                      "slept": commands / (took * nodes * slots), "cpu_ms": 1000 * cpu / commands}))


if __name__ == "__main__":
    main()
