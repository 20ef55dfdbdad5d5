"""What PyTorch makes of our files: called by pytorch.test.ts.

    network.py run CHECKPOINT INPUTS OUTPUTS   the network of CIM on a checkpoint's weights
    network.py write FOLDER                    files of every tensor type, and what they hold as NumPy arrays
"""
import math
import pickle
import sys

import torch
import torch.nn.functional as F


def batch_norm(x, state, name):
    part = [state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    return F.batch_norm(x, *part, training=False, eps=1e-5)


def bottleneck(x, state, name, stride):
    y = F.relu(batch_norm(F.conv2d(x, state[f"{name}.conv1.weight"]), state, f"{name}.bn1"))
    y = F.conv2d(y, state[f"{name}.conv2.weight"], stride=stride, padding=1)
    y = F.relu(batch_norm(y, state, f"{name}.bn2"))
    y = batch_norm(F.conv2d(y, state[f"{name}.conv3.weight"]), state, f"{name}.bn3")
    if f"{name}.downsample.0.weight" in state:
        x = F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride)
        x = batch_norm(x, state, f"{name}.downsample.1")
    return F.relu(x + y)


def resnet(x, state, stages):
    x = F.conv2d(x, state["Conv_Body.res1.0.weight"], stride=2, padding=3)
    x = F.relu(batch_norm(x, state, "Conv_Body.res1.1"))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for stage, blocks in enumerate(stages, start=2):
        for block in range(blocks):
            stride = 2 if stage > 2 and block == 0 else 1
            x = bottleneck(x, state, f"Conv_Body.res{stage}.{block}", stride)
    return x


def bilinear(features, y, x):
    """One sample [C]; nothing beyond one cell outside."""
    height, width = features.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return torch.zeros(features.shape[0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, along = y - top, x - left
    upper = features[:, top, left] * (1 - along) + features[:, top, right] * along
    lower = features[:, bottom, left] * (1 - along) + features[:, bottom, right] * along
    return upper * (1 - down) + lower * down


def roi_align(features, rois, scale, size=7):
    """Averages of bilinear samples, corners half a cell back, as many samples as a bin has cells."""
    regions = []
    for index, *corners in rois.tolist():
        x1, y1, x2, y2 = (corner * scale - 0.5 for corner in corners)
        bin_height, bin_width = (y2 - y1) / size, (x2 - x1) / size
        rows, columns = max(1, math.ceil(bin_height)), max(1, math.ceil(bin_width))
        region = torch.zeros(features.shape[1], size, size)
        for i in range(size):
            for j in range(size):
                samples = [
                    bilinear(
                        features[int(index)],
                        y1 + (i + (r + 0.5) / rows) * bin_height,
                        x1 + (j + (c + 0.5) / columns) * bin_width,
                    )
                    for r in range(rows)
                    for c in range(columns)
                ]
                region[:, i, j] = torch.stack(samples).mean(0)
        regions.append(region)
    return torch.stack(regions)


def run(checkpoint_file, inputs_file, outputs_file):
    checkpoint = torch.load(checkpoint_file)
    inputs = torch.load(inputs_file)
    state = checkpoint["model"]
    features = resnet(inputs["images"], state, inputs["blocks"])
    stride = 2 ** (len(inputs["blocks"]) + 1)
    box = roi_align(features, inputs["rois"], 1 / stride)
    x = torch.cat((box, box * inputs["masks"][:, None]), 1)
    x = F.relu(F.conv2d(x, state["Box_Head.mask_branch.0.weight"], state["Box_Head.mask_branch.0.bias"], padding=1))
    x = x.flatten(1)
    for layer in (0, 2):
        x = F.relu(F.linear(x, state[f"Box_Head.seg_fc.{layer}.weight"], state[f"Box_Head.seg_fc.{layer}.bias"]))
    head = lambda name: F.linear(x, state[f"cls_iou_model.{name}.weight"], state[f"cls_iou_model.{name}.bias"])
    outputs = {"classifier": head("classifier").softmax(1), "detector": head("detector").softmax(0)}
    for branch in range(3):
        outputs[f"cls.{branch}"] = head(f"refine_cls.{branch}").softmax(1)
        outputs[f"iou.{branch}"] = head(f"refine_iou.{branch}").sigmoid()
    torch.save(outputs, outputs_file)
    check_optimizer(checkpoint)


def check_optimizer(checkpoint):
    """SGD goes on from the checkpoint's state, as tools/train.py resumes."""
    state = checkpoint["model"]
    parameters = [(name, value) for name, value in state.items() if not name.split(".")[-1].startswith(("running", "num"))]
    trained = [pair for pair in parameters if not pair[0].startswith(("Conv_Body.res1.", "Conv_Body.res2."))]
    groups = [[pair for pair in trained if ("bias" in pair[0]) == bias] for bias in (False, True)]
    optimizer = torch.optim.SGD([{"params": [value for _, value in group], "lr": 0} for group in groups], momentum=0.9)
    optimizer.load_state_dict(checkpoint["optimizer"])
    for _, value in trained:
        momentum = optimizer.state[value]["momentum_buffer"]
        assert momentum.shape == value.shape
        value.grad = torch.zeros_like(value)
    optimizer.step()
    print("momentum", sum(float(entry["momentum_buffer"].abs().sum()) for entry in optimizer.state.values()) > 0)


def write(folder):
    torch.manual_seed(1)
    base = torch.randn(5, 6)
    tensors = {
        "base": base,
        "rows": base[2:],
        "columns": base[:, 1:4],
        "transposed": base.t(),
        "permuted": torch.randn(2, 3, 4, 5).permute(3, 0, 2, 1),
        "channels_last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "scalar": torch.tensor(-0.5),
        "empty": torch.zeros(2, 0),
        "double": torch.randn(4, dtype=torch.float64),
        "half": torch.randn(7).half(),
        "int64": torch.tensor([2**40, -1]),
        "int32": torch.tensor([-(2**31)], dtype=torch.int32),
        "int16": torch.tensor([-7], dtype=torch.int16),
        "int8": torch.tensor([-128], dtype=torch.int8),
        "uint8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "bfloat16": torch.randn(9).bfloat16(),
    }
    for name, zipped in (("zip", True), ("legacy", False)):
        torch.save(tensors, f"{folder}/{name}.pth", _use_new_zipfile_serialization=zipped)
    arrays = {name: (t.float() if t.dtype == torch.bfloat16 else t).detach().numpy() for name, t in tensors.items()}
    with open(f"{folder}/expected.pkl", "wb") as file:
        pickle.dump(arrays, file, pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    command, *files = sys.argv[1:]
    run(*files) if command == "run" else write(*files)
