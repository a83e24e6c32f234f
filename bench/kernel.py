"""Breadth as a loop over the bars, compiled by numba: the yardstick for what the machine can do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

YEAR = 252


@njit(cache=True)
def count_breadth(
    micros: Any,
    session_no: Any,
    volume: Any,
    is_first: Any,
    epoch_of: Any,
    cell_of: Any,
    weight_of: Any,
    cells: int,
    sessions: int,
) -> Any:
    """Return counts[cell, session, 13], volumes[cell, session, 2], sums[cell, session, 2].

    Running sums of the last 20, 50 and 200 closes, monotone queues for the extremes of 252; all
    start anew where `is_first` marks another symbol. Counts: priced, (with, above) x 3, up, down,
    flat, highs, lows, with return.
    """
    counts = np.zeros((cells, sessions, 13), np.int32)
    volumes = np.zeros((cells, sessions, 2), np.int64)
    sums = np.zeros((cells, sessions, 2), np.float64)
    top = np.zeros(YEAR + 1, np.int64)
    bottom = np.zeros(YEAR + 1, np.int64)
    size = YEAR + 1
    top_head = top_tail = bottom_head = bottom_tail = 0
    begin = 0
    symbol = -1
    s20 = s50 = s200 = 0
    for i in range(len(micros)):
        x = micros[i]
        if is_first[i]:
            begin = i
            symbol += 1
            s20 = s50 = s200 = 0
            top_head = top_tail = bottom_head = bottom_tail = 0
        seen = i - begin + 1
        s20 += x - (micros[i - 20] if seen > 20 else 0)
        s50 += x - (micros[i - 50] if seen > 50 else 0)
        s200 += x - (micros[i - 200] if seen > 200 else 0)
        if top_tail > top_head and top[top_head % size] <= i - YEAR:
            top_head += 1
        while top_tail > top_head and micros[top[(top_tail - 1) % size]] <= x:
            top_tail -= 1
        top[top_tail % size] = i
        top_tail += 1
        if bottom_tail > bottom_head and bottom[bottom_head % size] <= i - YEAR:
            bottom_head += 1
        while bottom_tail > bottom_head and micros[bottom[(bottom_tail - 1) % size]] >= x:
            bottom_tail -= 1
        bottom[bottom_tail % size] = i
        bottom_tail += 1
        no = session_no[i]
        epoch = epoch_of[no]
        cell = cell_of[symbol, epoch]
        if cell == 0:
            continue
        row = counts[cell, no]
        row[0] += 1
        if seen >= 20 and session_no[i - 19] > no - 30:
            row[1] += 1
            row[2] += x * 20 > s20
        if seen >= 50 and session_no[i - 49] > no - 60:
            row[3] += 1
            row[4] += x * 50 > s50
        if seen >= 200 and session_no[i - 199] > no - 210:
            row[5] += 1
            row[6] += x * 200 > s200
        if seen >= 252 and session_no[i - 251] > no - 262:
            row[10] += x == micros[top[top_head % size]]
            row[11] += x == micros[bottom[bottom_head % size]]
        if seen > 1 and session_no[i - 1] >= no - 5:
            previous = micros[i - 1]
            change = (x - previous) / previous
            row[12] += 1
            sums[cell, no, 0] += change
            sums[cell, no, 1] += weight_of[symbol, epoch] * change
            if x > previous:
                row[7] += 1
                volumes[cell, no, 0] += volume[i]
            elif x < previous:
                row[8] += 1
                volumes[cell, no, 1] += volume[i]
            else:
                row[9] += 1
    return counts, volumes, sums
