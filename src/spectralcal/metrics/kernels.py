"""Loops over voxels, written to be compiled: plain functions of arrays that also run, slowly, without a compiler.

:mod:`spectralcal.metrics.compiled` compiles them. Tables and limits are arguments because a compiled function is kept
on disk for this file's content and would not notice a constant that changed elsewhere.
"""

from __future__ import annotations

import numpy as np


def count_voxels(flat, class_stride, voxel_stride, labels, mask, limits, offsets, tables, packed, hits, low):
    """Add voxels to the sums of :class:`spectralcal.metrics.accumulate.Tally`, block by block in the first-level cache.

    Args:
        flat, class_stride, voxel_stride: float32 probabilities; class c of voxel i at ``c * class_stride + i *
            voxel_stride``.
        labels: (n,) integers.
        mask: (n,) uint8, not 0 where a voxel counts; (0,) to count every voxel.
        limits: float32 lowest and highest probability, largest distance of their sum from 1, and the floor below which
            probabilities share one cell.
        offsets: as in :class:`spectralcal.metrics.cells.CellGrid`.
        tables: splits and the places above them, which of eight flags a byte means, and for the logarithm that of a
            mantissa's first bits and their inverse.
        packed, hits: (2, C, places) int64 and int32; low: (C,) int64.

    Returns:
        (refused, brier, nll): whether a voxel is no probability vector or its label no class (the sums are then
        without meaning), and sums in units of 2^-40.
    """
    width = 512
    lowest, highest, slack, floor = limits
    lower, high, certain = offsets
    split, upper, lanes, log_table, inverse = tables
    classes, places = packed.shape[1], packed.shape[2]
    top, rest = packed[0].reshape(-1), packed[1].reshape(-1)
    wrong, missed = hits[0].reshape(-1), hits[1].reshape(-1)
    zero, half, one = np.float32(0.0), np.float32(0.5), np.float32(1.0)
    unit = np.float32(2.0**45)
    tiny = np.float32(2.0**-126)
    voxel_unit = np.int64(1) << 40
    brier, nll = np.int64(0), np.int64(0)

    block = np.empty(classes * width, np.float32)
    best, truth, total = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    folded = np.empty(width, np.float32)
    bits, truth_bits = folded.view(np.int32), truth.view(np.int32)
    squares = np.empty(width, np.float64)
    predicted, label, place = np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.int32)
    least = np.empty(width, np.float32)
    flags, lane = np.empty(width, np.uint8), np.empty(width + 8, np.int32)
    words, gather = flags.view(np.uint64), np.uint64(0x0102040810204080)
    kept = np.empty(width, np.int64)

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
                first = c * class_stride + start * voxel_stride
                if voxel_stride == 1:
                    source = flat[first : first + n]
                    for i in range(n):
                        rows[i] = source[i]
                else:
                    for i in range(n):
                        rows[i] = flat[first + i * voxel_stride]

        # A loop writes one or two arrays: with more, the compiler does not prove them apart and gives up on vectors.
        for i in range(n):
            total[i] = block[i]
            least[i] = block[i]
        for i in range(n):
            best[i] = block[i]
            predicted[i] = 0
        for c in range(1, classes):
            rows = block[c * width : c * width + n]
            for i in range(n):
                total[i] += rows[i]
                least[i] = rows[i] if rows[i] < least[i] else least[i]
            for i in range(n):
                predicted[i] = c if rows[i] > best[i] else predicted[i]
                best[i] = rows[i] if rows[i] > best[i] else best[i]
        for i in range(n, width):
            total[i], least[i], best[i] = one, zero, one
        for i in range(width):
            flags[i] = not (abs(total[i] - one) <= slack)
        for i in range(width):
            flags[i] |= (not (least[i] >= lowest)) | (not (best[i] <= highest))
        for i in range(words.size):
            bad |= words[i] != 0
        if bad:
            return True, brier, nll
        outside = False
        for i in range(width):
            flags[i] = (least[i] < zero) | (best[i] > one)
        for i in range(words.size):
            outside |= words[i] != 0
        if outside:
            for c in range(classes):
                rows = block[c * width : c * width + n]
                for i in range(n):
                    v = rows[i] if rows[i] > zero else zero
                    rows[i] = v if v < one else one
            for i in range(n):
                best[i] = block[i]
                predicted[i] = 0
            for c in range(1, classes):
                rows = block[c * width : c * width + n]
                for i in range(n):
                    predicted[i] = c if rows[i] > best[i] else predicted[i]
                    best[i] = rows[i] if rows[i] > best[i] else best[i]
        for i in range(n):
            squares[i] = 0.0
        for c in range(classes):
            rows = block[c * width : c * width + n]
            below = np.int64(0)
            for i in range(n):
                squares[i] += np.float64(rows[i]) * np.float64(rows[i])
                below += np.int32((rows[i] if rows[i] < floor else zero) * unit)
            low[c] += below

        for i in range(n):
            folded[i] = best[i] if best[i] <= half else one - best[i]
        for i in range(n):
            place[i] = (bits[i] >> 15) + (high if best[i] > half else lower)
        for i in range(n):
            place[i] = place[i] if folded[i] > zero else certain
        for i in range(n):
            c, y, v = predicted[i], label[i], best[i]
            k = np.uint64(place[i])
            if v > split[k]:
                k = np.uint64(upper[k])
            k += np.uint64(c * places)
            top[k] += voxel_unit + (bits[i] & 0x7FFF)
            truth[i] = block[np.uint64(y * width + i)]
            if y != c:
                wrong[k] += 1
                v = truth[i]
                k = np.uint64(0)
                if v >= floor:
                    folded[i] = v if v <= half else one - v
                    k = np.uint64((bits[i] >> 15) + (high if v > half else lower))
                    if v > split[k]:
                        k = np.uint64(upper[k])
                missed[k + np.uint64(y * places)] += 1

        for c in range(classes):
            rows = block[c * width : c * width + n]
            for i in range(n):
                flags[i] = (rows[i] >= floor) & (predicted[i] != c)
            for i in range(n, width):
                flags[i] = 0
            found = np.uint64(0)
            for group in range((n + 7) // 8):
                if words[group]:
                    mask8 = (words[group] * gather) >> np.uint64(56)
                    for j in range(8):
                        lane[found + np.uint64(j)] = group * 8 + lanes[np.uint64(mask8), j]
                    found += np.uint64(lanes[np.uint64(mask8), 8])
            filled = np.int64(found)
            for i in range(filled):
                best[i] = rows[np.uint64(lane[i])]
            for i in range(filled):
                folded[i] = best[i] if best[i] <= half else one - best[i]
            for i in range(filled):
                place[i] = (bits[i] >> 15) + (high if best[i] > half else lower)
            row = np.uint64(c * places)
            for i in range(filled):
                k = np.uint64(place[i])
                if best[i] > split[k]:
                    k = np.uint64(upper[k])
                rest[row + k] += voxel_unit + (bits[i] & 0x7FFF)

        for i in range(n):
            squared = squares[i] - 2.0 * np.float64(truth[i]) + 1.0
            brier += np.int64(squared * 1099511627776.0 + 0.5)
        for i in range(n):
            truth[i] = truth[i] if truth[i] > tiny else tiny
        for i in range(n):
            b = truth_bits[i]
            k = np.uint64((b >> 15) & 0xFF)
            r = np.float64(b & 0x7FFF) * inverse[k]
            series = r * (1.0 - r * (0.5 - r * (1.0 / 3 - r * (0.25 - r * (0.2 - r * (1.0 / 6))))))
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
