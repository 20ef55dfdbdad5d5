"""PyTorch on the CPU: the requests of contestant.ts as lines of JSON on stdin, replies on stdout."""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F

MASK = 0xFFFFFFFF
SALT = 4177
OPERANDS = ["x", "weight", "dy", "a", "b", "image"]


def operand(name, shape):
    """Values in [-1, 1): operandValues of problem.ts."""
    seed = ((OPERANDS.index(name) + 1) * 0x85EBCA77 + SALT) & MASK
    size = 1
    for length in shape:
        size *= length
    h = (torch.arange(1, size + 1, dtype=torch.int64) * 0x9E3779B1 + seed) & MASK
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & MASK
    h = ((h ^ (h >> 15)) * 0x846CA68B) & MASK
    h = h ^ (h >> 16)
    return (h.to(torch.float64) / 2**31 - 1).to(torch.float32).reshape(shape)


def computation(problem):
    """What computes the result, as a function without arguments; None: not measured here."""
    family, s = problem["family"], problem["shape"]
    if family == "gemm":
        a = operand("a", [s["k"], s["m"]] if s.get("transposeA") else [s["m"], s["k"]])
        b = operand("b", [s["n"], s["k"]] if s.get("transposeB") else [s["k"], s["n"]])
        a = a.t() if s.get("transposeA") else a
        b = b.t() if s.get("transposeB") else b
        return lambda: a @ b
    if not family.startswith("conv."):
        return None
    stride, padding, dilation = s["stride"], s["padding"], s["dilation"]
    length = lambda size, kernel: (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    x = operand("x", [s["n"], s["ci"], s["h"], s["w"]])
    weight = operand("weight", [s["co"], s["ci"], s["kh"], s["kw"]])
    if family == "conv.forward":
        return lambda: F.conv2d(x, weight, None, stride, padding, dilation)
    dy = operand("dy", [s["n"], s["co"], length(s["h"], s["kh"]), length(s["w"], s["kw"])])
    which = 0 if family == "conv.inputGradient" else 1
    wanted = [which == 0, which == 1, False]
    pairs = [stride] * 2, [padding] * 2, [dilation] * 2
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(dy, x, weight, None, *pairs, False, [0, 0], 1, wanted)[which]


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def answer(request, state):
    kind = request["type"]
    if kind == "prepare":
        run = state["run"] = computation(request["problem"])
        if run is None:
            return None
        begin = time.perf_counter()
        result = run()
        first = time.perf_counter() - begin
        flat = result.reshape(-1)
        return {"first": first, "values": [flat[place].item() for place in request["places"]]}
    if kind == "sample":
        runs = request["runs"]
        begin, cpu = time.perf_counter(), cpu_seconds()
        for _ in range(runs):
            state["run"]()
        return {"wall": (time.perf_counter() - begin) / runs, "cpu": (cpu_seconds() - cpu) / runs}
    state.clear()
    return None


def main():
    state = {}
    for line in sys.stdin:
        try:
            with torch.no_grad():
                reply = {"value": answer(json.loads(line), state)}
        except Exception as error:
            reply = {"error": str(error)}
        print(json.dumps(reply), flush=True)


main()
