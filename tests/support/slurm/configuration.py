"""The configuration files of a Slurm of one machine (slurm.conf(5), gres.conf(5), slurmdbd.conf(5)). Text only."""

# Jobs of `main` preempt those of `low`, which get their warning and are requeued; `short` and `closed` are there to be
# refused by.
PARTITIONS = """\
PartitionName=main Nodes=ALL Default=YES PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE State=UP
PartitionName=low Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=5 MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=10 State=UP
PartitionName=closed Nodes=ALL AllowAccounts=physics State=UP
"""


def slurm_conf(folder, settings, host, controller, addresses):
    """`addresses` of the nodes, by name; `controller` is slurmctld's."""
    port, accounting = settings["port"], settings["accounting"]
    processes = ("ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup\nJobAcctGatherType=jobacct_gather/cgroup\n"
                 if settings["cgroup"] else
                 "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/linux\n"
                 "JobAcctGatherParams=OverMemoryKill\n")
    storage = (f"AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
               f"AccountingStoragePort={port + 1}\nAccountingStoragePass={folder}/munge.socket\n"
               f"AccountingStorageTRES=gres/gpu\nAccountingStorageEnforce={accounting}\n"
               if accounting else "AccountingStorageType=accounting_storage/none\n")
    nodes = "".join(
        f"NodeName={name} NodeHostname={host} NodeAddr={address} Port={port + 2 + i} CPUs={settings['cpus']} "
        f"RealMemory={settings['memory']} Gres=gpu:fake:{settings['gpus']} State=UNKNOWN\n"
        for i, (name, address) in enumerate(addresses.items()))
    # cred_expire is how long a requeued job waits. The scheduler is woken by every submit.
    return f"""\
ClusterName=muster{port}
SlurmctldHost={host}({controller})
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={settings['requeue_delay']}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
SlurmctldDebug=info
SlurmdDebug=info
MailProg=/bin/true
{processes}JobAcctGatherFrequency=1
PropagateResourceLimits=NONE
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU={settings['memory'] // settings['cpus']}
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
JobRequeue=1
KillWait=3
MinJobAge=300
MaxArraySize={settings['array_max']}
SlurmctldTimeout=30
SlurmdTimeout={settings['node_timeout']}
InactiveLimit=0
MessageTimeout=10
{storage}GresTypes=gpu
{settings['extra']}{nodes}{PARTITIONS}"""


def gres_conf(folder, gpus):
    """slurmd takes a device file for a GPU, never a plain one; a number at its end becomes the GPU's."""
    return f"Name=gpu Type=fake File={folder}/dev/gpu[0-{gpus - 1}]\n" if gpus else ""


def cgroup_conf(on):
    limits = "CgroupMountpoint=/sys/fs/cgroup\nConstrainRAMSpace=yes\nConstrainCores=no\nConstrainDevices=no\n"
    return "CgroupPlugin=cgroup/v1\n" + (limits if on else "")


def slurmdbd_conf(folder, port):
    return f"""\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port + 1}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
"""
