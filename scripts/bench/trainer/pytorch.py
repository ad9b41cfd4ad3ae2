#!/usr/bin/env python3
"""Trains a model of pytorch_models.py (the twins of muster's trials) with PyTorch alone and prints what a step takes.

usage: scripts/bench/trainer/pytorch.py MODEL [--steps N] [--warmup N] [--batch N] [--ranks N] [--threads N]
           [--data FILE.h5] [--optimizer default|fused] [--amp bf16] [--channels-last]
           [--device cpu|cuda] [--graph] [--compile] [--seed N]
  MODEL       digits, resnet (18 layers, 32 x 32 pixels), gpt (10.8 M parameters) or gpt-350m
  --steps     that are timed, after --warmup others [50 and 10]
  --batch     rows of a step, over all ranks [of the model]
  --ranks     processes on this machine, DistributedDataParallel over Gloo on loopback [1]
  --threads   of a rank [cores / ranks]
  --data      columns of this HDF5 file, read before the first step; without it: random rows, from --seed.
              The same 16 batches are used in turn: no row is read within a step
  --optimizer AdamW as `torch.optim.AdamW(parameters)` gives it, or with fused=True [default; on cuda: fused]
  --graph     a whole step as one CUDA graph;  --compile  torch.compile (wants a C++ compiler; on cuda Triton)

Prints one line of JSON:
  step_seconds        median, p10 and p90 of the timed steps (on cuda: between events, so that launches run ahead)
  first_step_seconds  from the start of this process until the first step is done
  tokens_per_second, rows_per_second   of all ranks, from the median
  flops_per_second    of a GPT: tokens_per_second x (6 N + 12 L T D): N parameters without the positions, L layers,
                      T tokens of context, D width. 6 N is forward and backward of every matrix, the rest
                      attention, causal or not.   mfu  that, over 989e12 (H100 SXM, bf16, dense); on cuda only
  peak_bytes          of rank 0: resident memory; on cuda what PyTorch's allocator reached
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import time

H100_BF16 = 989e12


def age():
    """Seconds since the kernel started this process."""
    started = int(pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("model", choices=["digits", "resnet", "gpt", "gpt-350m"])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--optimizer", choices=["default", "fused"])
    parser.add_argument("--amp", choices=["bf16"])
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--graph", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.graph and args.device != "cuda":
        parser.error("--graph wants --device cuda")
    if args.ranks > 1 and args.device == "cuda":
        parser.error("--ranks wants --device cpu: Gloo is what is measured")
    args.optimizer = args.optimizer or ("fused" if args.device == "cuda" else "default")
    args.threads = args.threads or max(1, len(os.sched_getaffinity(0)) // args.ranks)
    return args


def spawn(args):
    """This program once a rank; the exit code of the first that fails."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(args.ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
              "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": str(args.threads)}
    ranks = [subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, **shared, "RANK": str(rank)})
             for rank in range(args.ranks)]
    return next((code for code in [rank.wait() for rank in ranks] if code), 0)


def load(args, models, size):
    if args.data is None:
        return models.synthetic(args.model, max(1024, size["batch"]), args.seed)
    import h5py

    with h5py.File(args.data) as file:
        return {name: dataset[:] for name, dataset in file.items()}


def train(args):
    import torch

    import pytorch_models as models

    rank, ranks = int(os.environ.get("RANK", 0)), args.ranks
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    size = dict(models.SIZES[args.model])
    size["batch"] = args.batch or size["batch"]
    if size["batch"] % ranks:
        sys.exit(f"pytorch.py: a batch of {size['batch']} rows does not divide by {ranks} ranks")
    if ranks > 1:
        torch.distributed.init_process_group("gloo")

    columns = {name: torch.from_numpy(column) for name, column in load(args, models, size).items()}
    if "labels" in columns:
        columns["labels"] = columns["labels"].long()
    shuffle = torch.Generator().manual_seed(args.seed)  # the same on all ranks

    class Losses(torch.nn.Module):
        """DistributedDataParallel works in `forward`."""

        def __init__(self):
            super().__init__()
            self.model = models.make(args.model)

        def forward(self, batch):
            return self.model.losses(batch)

    module = Losses().to(device)
    if args.channels_last:
        module = module.to(memory_format=torch.channels_last)
    groups = [{"params": [p for p in module.parameters() if p.dim() > 1]},
              {"params": [p for p in module.parameters() if p.dim() <= 1], "weight_decay": 0.0}]
    step_losses = torch.nn.parallel.DistributedDataParallel(module) if ranks > 1 else module
    if args.compile:
        step_losses = torch.compile(step_losses)
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.01, fused=args.optimizer == "fused" or None,
                                  capturable=args.graph)

    def load_some():
        """This rank's share of 16 batches, or as many as there are rows for: in memory, used in turn."""
        count, share = len(next(iter(columns.values()))), size["batch"] // ranks
        order = torch.randperm(count, generator=shuffle)
        made = []
        for first in range(0, min(count, 16 * size["batch"]) - size["batch"] + 1, size["batch"]):
            rows = order[first + rank * share:first + (rank + 1) * share]
            made.append({name: column[rows].to(device) for name, column in columns.items()})
            if args.channels_last:
                made[-1] = {name: column.contiguous(memory_format=torch.channels_last) if column.dim() == 4 else column
                            for name, column in made[-1].items()}
        return made

    def compute(batch):
        amp = torch.autocast(args.device, torch.bfloat16) if args.amp else contextlib.nullcontext()
        with amp:
            loss = step_losses(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    def mark():
        if args.device == "cpu":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    batches, marks, first = load_some(), [], 0.0
    if args.graph:
        static, side = {name: column.clone() for name, column in batches[0].items()}, torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                compute(static)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = compute(static)

    for step in range(args.warmup + args.steps):
        if step == args.warmup:
            marks.append(mark())
        batch = batches[step % len(batches)]
        if args.graph:
            for name, column in batch.items():
                static[name].copy_(column, non_blocking=True)
            graph.replay()
        else:
            loss = compute(batch)
        if step == 0:
            loss.item()  # waits for the device
            first = age()
        if step >= args.warmup:
            marks.append(mark())
    last = loss.item()
    if args.device == "cuda":
        torch.cuda.synchronize()
        times = [before.elapsed_time(after) / 1e3 for before, after in zip(marks, marks[1:])]
    else:
        times = [after - before for before, after in zip(marks, marks[1:])]
    if ranks > 1:
        torch.distributed.destroy_process_group()
    if rank:
        return

    parameters = sum(p.numel() for p in module.parameters())
    tenths = statistics.quantiles(times, n=10, method="inclusive") if len(times) > 1 else [times[0]] * 9
    median = statistics.median(times)
    row = {"program": "pytorch " + args.model, "ranks": ranks, "threads": args.threads, "device": args.device,
           "batch": size["batch"], "optimizer": args.optimizer, "amp": args.amp, "graph": args.graph,
           "compile": args.compile, "steps": args.steps, "parameters": parameters, "loss": last,
           "step_seconds": {"median": median, "p10": tenths[0], "p90": tenths[8]}, "first_step_seconds": first,
           "rows_per_second": size["batch"] / median}
    if "context" in size:
        row["tokens_per_second"] = size["batch"] * size["context"] / median
        trained = parameters - size["context"] * size["width"]
        flops = 6 * trained + 12 * size["layers"] * size["context"] * size["width"]
        row["flops_per_second"] = row["tokens_per_second"] * flops
        if args.device == "cuda":
            row["mfu"] = row["flops_per_second"] / H100_BF16
    row["peak_bytes"] = (torch.cuda.max_memory_allocated() if args.device == "cuda"
                         else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    parsed = arguments()
    if parsed.ranks > 1 and "RANK" not in os.environ:
        sys.exit(spawn(parsed))
    train(parsed)
