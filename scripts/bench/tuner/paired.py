"""Paired comparison of two sides on the same functions and seeds. A pair is keyed (function, instance); values are
log10 of the gap, smaller is better, and a difference is ours less theirs."""

import math
import random
import statistics

TIE = 0.05  # decades
DRAWS = 4000


def by_function(pairs):
    out = {}
    for (function, _), value in sorted(pairs.items()):
        out.setdefault(function, []).append(value)
    return out


def bootstrap(pairs, seed=0):
    """95 % interval of the mean difference. Whole functions are drawn: seeds of one function are not independent."""
    groups, draw = list(by_function(pairs).values()), random.Random(seed)
    sums = [(sum(group), len(group)) for group in groups]
    means = []
    for _ in range(DRAWS):
        chosen = draw.choices(sums, k=len(sums))
        means.append(sum(total for total, _ in chosen) / sum(count for _, count in chosen))
    means.sort()
    return means[int(0.025 * DRAWS)], means[int(0.975 * DRAWS) - 1]


def wilcoxon(differences):
    """Two-sided p of the signed-rank test; exact, by counting the sums of ranks under all signs. Zeros are left out,
    ties share their mean rank."""
    kept = sorted((d for d in differences if d != 0), key=abs)
    ranks, at = [], 0
    while at < len(kept):
        end = at
        while end < len(kept) and abs(kept[end]) == abs(kept[at]):
            end += 1
        ranks += [at + 1 + end] * (end - at)  # twice the mean rank: an integer
        at = end
    if not ranks:
        return 1.0
    counts = {0: 1}
    for rank in ranks:
        grown = dict(counts)
        for total, count in counts.items():
            grown[total + rank] = grown.get(total + rank, 0) + count
        counts = grown
    positive = sum(rank for rank, d in zip(ranks, kept) if d > 0)
    lower = min(positive, sum(ranks) - positive)
    tail = sum(count for total, count in counts.items() if total <= lower)
    return min(1.0, 2 * tail / 2 ** len(ranks))


def holm(ps):
    """Adjusted for being several, in the order given."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted, largest = [0.0] * len(ps), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[index]))
        adjusted[index] = largest
    return adjusted


def compare(ours, theirs):
    """{"mean", "low", "high", "p", "record"} of the pairs that both have; p is of the functions' medians."""
    pairs = {key: ours[key] - theirs[key] for key in ours if key in theirs and not math.isnan(theirs[key])}
    medians = [statistics.median(values) for values in by_function(pairs).values()]
    low, high = bootstrap(pairs)
    wins, losses = sum(m < -TIE for m in medians), sum(m > TIE for m in medians)
    return {"mean": statistics.fmean(pairs.values()), "low": low, "high": high, "p": wilcoxon(medians),
            "record": f"{wins}/{len(medians) - wins - losses}/{losses}", "pairs": len(pairs)}
