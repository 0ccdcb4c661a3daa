"""Loops over voxels, written to be compiled: plain functions of arrays that also run, slowly, without a compiler.

:mod:`spectralcal.metrics.compiled` compiles them. Tables and limits are arguments because a compiled function is kept
on disk for this file's content and would not notice a constant that changed elsewhere.
"""

from __future__ import annotations

import numpy as np


def count_voxels(flat, class_stride, voxel_stride, labels, mask, limits, layout, tables, packed, hits, low):
    """Add voxels to the sums of :class:`spectralcal.metrics.accumulate.Tally`, block by block in the nearest caches.

    Args:
        flat, class_stride, voxel_stride: float32 probabilities; class c of voxel i at ``c * class_stride + i *
            voxel_stride``.
        labels: (n,) integers.
        mask: (n,) uint8, not 0 where a voxel counts; (0,) to count every voxel.
        limits: float32 lowest and highest probability and the floor below which probabilities share one cell; int32
            bits of the largest distance of their sum from 1.
        layout: as in :class:`spectralcal.metrics.cells.CellGrid`.
        tables: for the logarithm, that of a mantissa's first bits and their inverse.
        packed, hits, low: as in the tally; the last eight cells of ``packed`` take what is to be forgotten.

    Returns:
        (refused, brier, nll): whether a voxel is no probability vector or its label no class (the sums are then
        without meaning), and sums in units of 2^-40.
    """
    width = 1024
    lowest, highest, floor, slack = limits
    bins, first, second, lower, upper, last = layout
    log_table, inverse = tables
    classes, cells, counted = packed.shape[1], packed.shape[2], hits.shape[2]
    top, rest = packed[0].reshape(-1), packed[1].reshape(-1)
    wrong, missed = hits[0].reshape(-1), hits[1].reshape(-1)
    zero, half, one = np.float32(0.0), np.float32(0.5), np.float32(1.0)
    low_unit, square_unit, tiny = np.float32(2.0**45), np.float32(2.0**30), np.float32(2.0**-126)
    voxel_unit = np.int64(1) << 40
    brier, nll = np.int64(0), np.int64(0)

    block, best, truth = np.empty(classes * width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    total, folded, chosen = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    block_bits, best_bits, truth_bits = block.view(np.int32), best.view(np.int32), truth.view(np.int32)
    total_bits, bits = total.view(np.int32), folded.view(np.int32)
    predicted, label, cell = np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.int32)
    best_cell, lane = np.empty(width, np.int32), np.empty(width, np.int32)
    flags, kept = np.empty(width, np.uint8), np.empty(width, np.int64)

    # Loops below are short and many so that they become vector instructions: each writes one or two arrays, which the
    # compiler can prove apart, and reads what a condition chooses from into locals first.
    for start in range(0, labels.size, width):
        n = min(width, labels.size - start)
        bad = 0
        if mask.size:
            filled = 0
            for i in range(n):
                kept[filled] = start + i
                filled += mask[start + i] != 0
            n = filled
            for i in range(n):
                y = labels[kept[i]]
                bad |= (y < 0) | (y >= classes)
                label[i] = y
            for c in range(classes):
                for i in range(n):
                    block[c * width + i] = flat[c * class_stride + kept[i] * voxel_stride]
        else:
            given = labels[start : start + n]
            for i in range(n):
                label[i] = given[i]
                bad |= (given[i] < 0) | (given[i] >= classes)
            for c in range(classes):
                rows = block[c * width : c * width + n]
                begin = c * class_stride + start * voxel_stride
                if voxel_stride == 1:
                    source = flat[begin : begin + n]
                    for i in range(n):
                        rows[i] = source[i]
                else:
                    for i in range(n):
                        rows[i] = flat[begin + i * voxel_stride]

        for i in range(n):
            total[i] = block[i]
        for i in range(n):
            best[i] = block[i]
            predicted[i] = 0
        for c in range(1, classes):
            rows = block[c * width : c * width + n]
            for i in range(n):
                total[i] += rows[i]
            for i in range(n):
                v, w, k = rows[i], best[i], predicted[i]
                predicted[i] = c if v > w else k
                best[i] = v if v > w else w
        # Bits of floats that are not negative order like the floats, and integers have a vector minimum and maximum.
        least, most, off = np.int32(0), np.int32(0), np.int32(0)
        for c in range(classes):
            row_bits = block_bits[c * width : c * width + n]
            for i in range(n):
                least = row_bits[i] if row_bits[i] < least else least
        for i in range(n):
            most = best_bits[i] if best_bits[i] > most else most
        for i in range(n):
            total[i] = abs(total[i] - one)
        for i in range(n):
            off = total_bits[i] if total_bits[i] > off else off
        if bad or off > slack:
            return True, brier, nll
        if least < 0 or most > 0x3F800000:  # the bits of 1
            for c in range(classes):
                rows = block[c * width : c * width + n]
                for i in range(n):
                    bad |= (not (rows[i] >= lowest)) | (not (rows[i] <= highest))
                    v = rows[i] if rows[i] > zero else zero
                    rows[i] = v if v < one else one
            if bad:
                return True, brier, nll
            for i in range(n):
                best[i] = block[i]
                predicted[i] = 0
            for c in range(1, classes):
                rows = block[c * width : c * width + n]
                for i in range(n):
                    v, w, k = rows[i], best[i], predicted[i]
                    predicted[i] = c if v > w else k
                    best[i] = v if v > w else w

        for i in range(n):
            truth[i] = block[i]
        for c in range(classes):
            rows = block[c * width : c * width + n]
            leading, trailing = np.int32(0), np.int32(0)  # halves of 31 bits, so that sums of a block need 32
            for i in range(n):
                v, w = rows[i], truth[i]
                truth[i] = v if label[i] == c else w
            for i in range(n):
                k = np.int32(rows[i] * square_unit)
                brier += (np.int64(k) * np.int64(k)) >> 20
            for i in range(n):
                k = np.int32((rows[i] if rows[i] < floor else zero) * low_unit)
                leading = np.int32(leading + (k >> 16))
                trailing = np.int32(trailing + (k & 0xFFFF))
            low[c] += (np.int64(leading) << 16) + np.int64(trailing)

        # The highest probabilities, then each class where it is neither that nor below the floor, then the label's
        # where the prediction is wrong.
        for c in range(classes, -2, -1):
            rows = best if c == classes else truth if c < 0 else block[c * width : (c + 1) * width]
            m, dense = n, True
            if c < classes:
                if c < 0:
                    for i in range(n):
                        flags[i] = label[i] != predicted[i]
                else:
                    for i in range(n):
                        flags[i] = (rows[i] >= floor) & (predicted[i] != c)
                m = 0
                for i in range(n):
                    m += np.int64(flags[i])
                dense = c >= 0 and 2 * m > n
                if dense:
                    m = n
                else:
                    m = 0
                    for i in range(n):
                        lane[np.uint64(m)] = i
                        m += np.int64(flags[i])
                    for i in range(m):
                        chosen[i] = rows[np.uint64(lane[i])]
                    rows = chosen
            for i in range(m):
                v = rows[i]
                edge = np.int32(v * bins + half)
                cell[i] = edge + (v > np.float32(edge) / bins) + (v > first) + (v > second)
            for i in range(m):
                folded[i] = rows[i] if rows[i] <= half else one - rows[i]
            for i in range(m):
                v, k, first_bits = rows[i], cell[i], bits[i] >> 15
                cell[i] = k + (upper - first_bits if v > half else first_bits - lower)
            if c == classes:
                for i in range(n):
                    k = cell[i]
                    best_cell[i] = k if k < last else last
                for i in range(n):
                    cell[i] = best_cell[i] + predicted[i] * cells
                for i in range(n):
                    top[np.uint64(cell[i])] += voxel_unit + (bits[i] & 0x7FFF)
            elif c >= 0:
                if dense:
                    for i in range(n):
                        k = cell[i]
                        cell[i] = k if flags[i] else counted + (i & 7)
                table = rest[c * cells : (c + 1) * cells]
                for i in range(m):
                    table[np.uint64(cell[i])] += voxel_unit + (bits[i] & 0x7FFF)
            else:
                for i in range(m):
                    k = np.uint64(lane[i])
                    wrong[np.uint64(best_cell[k] + predicted[k] * counted)] += 1
                    missed[np.uint64(max(cell[i], 0) + label[k] * counted)] += 1

        for i in range(n):
            brier -= np.int64(np.int32(truth[i] * square_unit)) << 11
        brier += np.int64(n) << 40
        for i in range(n):
            truth[i] = truth[i] if truth[i] > tiny else tiny
        for i in range(n):
            b = truth_bits[i]
            k = np.uint64((b >> 15) & 0xFF)
            r = np.float64(b & 0x7FFF) * inverse[k]
            series = r * (1.0 - r * (0.5 - r * (1.0 / 3 - r * 0.25)))
            nll += np.int64(
                -(np.float64((b >> 23) - 127) * 0.6931471805599453 + log_table[k] + series) * 1099511627776.0 + 0.5
            )
    return False, brier, nll


def label_boxes(labels, boxes):
    """Bounding boxes of all labels in one pass over a map.

    Args:
        labels: (D, H, W) uint8.
        boxes: (256, 6) int64, written: first and last index along each axis; a first of -1 where the label is absent.
    """
    boxes[:] = -1
    for d in range(labels.shape[0]):
        for h in range(labels.shape[1]):
            row = labels[d, h]
            some = 0
            for w in range(row.size):
                some |= row[w]
            if not some:
                continue
            start = 0
            for w in range(1, row.size + 1):
                if w < row.size and row[w] == row[start]:
                    continue
                box = boxes[row[start]]
                if box[0] < 0:
                    box[0], box[2], box[3], box[4] = d, h, h, start
                box[1] = d
                box[2], box[3] = min(box[2], h), max(box[3], h)
                box[4], box[5] = min(box[4], start), max(box[5], w - 1)
                start = w


def mark_boundary(labels, label, first, last, planar, frame, pad):
    """Mark the boundary voxels of a label: those with a face neighbour of another label or outside the map.

    Args:
        labels: (D, H, W) uint8.
        label: which.
        first, last: (3,) corners of a box that holds the label, both included.
        planar: whether the map is an image (D is 1), whose voxels have no neighbours along D.
        frame: uint8 zeros in the box's shape with ``pad`` voxels more on every side of each axis, written.
        pad: (3,) voxels.
    """
    depth, height = labels.shape[0], labels.shape[1]
    w0, w1 = first[2], last[2] + 1
    n = w1 - w0
    for d in range(first[0], last[0] + 1):
        for h in range(first[1], last[1] + 1):
            # Slices, so that every index below is plainly not negative and the loops become vector instructions.
            here, out = labels[d, h, w0:w1], frame[d - first[0] + pad[0], h - first[1] + pad[1], pad[2] : pad[2] + n]
            some = 0
            for i in range(n):
                out[i] = here[i] == label
                some |= out[i]
            if not some or h == 0 or h == height - 1 or (not planar and (d == 0 or d == depth - 1)):
                continue
            left, right = labels[d, h - 1, w0:w1], labels[d, h + 1, w0:w1]
            for i in range(n):
                out[i] += (left[i] == label) & (right[i] == label)
            if not planar:
                below, above = labels[d - 1, h, w0:w1], labels[d + 1, h, w0:w1]
                for i in range(n):
                    out[i] += (below[i] == label) & (above[i] == label)
            before, after = labels[d, h, w0 : w1 - 2], labels[d, h, w0 + 2 : w1]
            inner = out[1 : n - 1]
            for i in range(n - 2):
                inner[i] += (before[i] == label) & (after[i] == label)
            inside = 3 - planar
            for i in range(n):
                out[i] = (here[i] == label) & (out[i] <= inside)


def nearest_marked(points, frame, steps, mm, distance_mm):
    """Distance of points to the nearest marked voxel, looked for in order of distance; -1 where none is in reach.

    Args:
        points: (n,) int64 positions in the flat frame.
        frame: flat uint8, marked where not 0; no step leads outside.
        steps, mm: (m,) int64 differences of position in order of distance, and float64 distances.
        distance_mm: (n,) float64, written.
    """
    for i in range(points.size):
        distance_mm[i] = -1.0
        for k in range(steps.size):
            if frame[np.uint64(points[i] + steps[k])]:
                distance_mm[i] = mm[k]
                break
