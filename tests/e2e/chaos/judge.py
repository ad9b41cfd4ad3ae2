"""Judges a history from outside: the lines that ranks wrote, beside what muster says it has done.

A rule is broken, or not; `complaints` names each case.
"""

import collections
import json


def read(path):
    """The whole lines of a history, in their order."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def complaints(lines, trials, steps, disturbed):
    """`trials`: muster's details by id. `disturbed(home, start, end)`: whether that node's agent was dead or
    stopped at some time between the two, so that it could not end its ranks in time."""
    found = []
    attempts = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in lines:
        attempts[line["trial"]][line["attempt"]].append(line)
    for trial in attempts.keys() - trials.keys():
        found.append(f"{trial} ran, and muster does not know it")
    for trial, detail in sorted(trials.items()):
        found += _of_trial(trial, detail, attempts[trial], steps)
        found += _overlaps(trial, attempts[trial], disturbed)
    return found


def _of_trial(trial, detail, ran, steps):
    if detail["trial"]["state"] != "complete":
        yield f"{trial} is {detail['trial']['state']}, not complete: {detail['trial']['message']}"
        return
    epochs = [attempt["epoch"] for attempt in detail["attempts"]]
    if epochs != sorted(set(epochs)):
        yield f"{trial}: epochs do not increase: {epochs}"
    if detail["trial"]["objective"] != steps:
        yield f"{trial}: its result is {detail['trial']['objective']}, the program reports {steps}"
    unknown = ran.keys() - set(epochs)
    if unknown:
        yield f"{trial}: ranks ran as attempts {sorted(unknown)}, which muster does not know"
    # The result is the newest attempt's, and that one reached the last step.
    newest = ran.get(max(epochs), [])
    if not any(line["rank"] == 0 and line["step"] == steps for line in newest) and \
            not any(line["event"] == "start" for line in newest):
        yield f"{trial}: its newest attempt {max(epochs)} never ran"
    for epoch, lines in ran.items():
        starts = collections.Counter(line["rank"] for line in lines if line["event"] == "start")
        for rank, times in starts.items():
            if times > 1:
                yield f"{trial}: rank {rank} of attempt {epoch} started {times} times"
        if len({line["home"] for line in lines}) > 1:
            yield f"{trial}: attempt {epoch} ran on two nodes"


def _overlaps(trial, ran, disturbed):
    """Ranks of an older attempt that went on after a newer one had started."""
    for epoch, lines in sorted(ran.items()):
        newer = [other for number, others in ran.items() if number > epoch for other in others]
        if not newer:
            continue
        began, last = min(line["at"] for line in newer), max(line["at"] for line in lines)
        home = lines[0]["home"]
        if last > began and not disturbed(home, began - 30, last):
            yield (f"{trial}: ranks of attempt {epoch} ran for {last - began:.1f} s beside a newer "
                   f"attempt, on a node whose agent could have ended them")
