"""The models that muster's trials train, in PyTorch: the same modules, names, order of parameters and start.

Each has `losses(batch)`, the mean loss of a batch of columns as its file has them. A trial in C++ whose parameters
have these names and shapes takes over weights that were saved here (scripts/golden_training).
N rows, C channels, H and W pixels, B rows of T tokens, D width.
"""

import math

import torch
from torch import nn
from torch.nn import functional


class DigitsNet(nn.Module):
    """trainer/trials/digits: three convolutions and two linear layers on 8 x 8 pixels of 0 to 16."""

    def __init__(self, width=32):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.hidden = nn.Linear(2 * width * 2 * 2, 4 * width)
        self.classes = nn.Linear(4 * width, 10)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            else:
                nn.init.zeros_(parameter)

    def forward(self, pixels_N1HW):
        x = pixels_N1HW / 16.0
        x = functional.relu(self.conv1(x))
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv3(x)), 2)
        return self.classes(functional.relu(self.hidden(torch.flatten(x, 1))))

    def losses(self, batch):
        return functional.cross_entropy(self(batch["images"]), batch["labels"])


class Block(nn.Module):
    """He et al. 2016, "Deep Residual Learning", figure 2: two 3 x 3 convolutions beside a shortcut, which is a
    1 x 1 convolution where the shape changes."""

    def __init__(self, planes_in, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(planes_in, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = None
        if stride != 1 or planes_in != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(planes_in, planes, 1, stride=stride, bias=False),
                                          nn.BatchNorm2d(planes))

    def forward(self, x_NCHW):
        y = functional.relu(self.bn1(self.conv1(x_NCHW)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += x_NCHW if self.shortcut is None else self.shortcut(x_NCHW)
        return functional.relu(y, inplace=True)


class ResNet18(nn.Module):
    """ResNet-18 for 32 x 32 pixels: a 3 x 3 stem without stride or pooling, then four stages of two blocks, of
    width, 2, 4 and 8 times width channels, the last three halving the image; mean over the image; one linear layer.
    11,173,962 parameters at width 64. Convolutions start as Kaiming normal by fan out, the linear layer as
    PyTorch has it. Pixels are 0 to 255 and are brought to -1 to 1 here."""

    def __init__(self, width=64, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        planes = width
        for stage in range(4):
            out = width << stage
            stride = 1 if stage == 0 else 2
            setattr(self, f"layer{stage + 1}", nn.Sequential(Block(planes, out, stride), Block(out, out, 1)))
            planes = out
        self.fc = nn.Linear(planes, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixels_NCHW):
        # To the type of the weights, so that bytes need no scale of their own.
        x = pixels_NCHW.to(self.conv1.weight.dtype) / 127.5 - 1.0
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return self.fc(x.mean((2, 3)))

    def losses(self, batch):
        return functional.cross_entropy(self(batch["images"]), batch["labels"])


class GptBlock(nn.Module):
    """x + attention(norm1(x)), then x + down(gelu(up(norm2(x)))): pre-LN. qkv is one matrix: rows of queries, then
    keys, then values. LayerNorms have weight and bias, epsilon 1e-5; linear layers have no bias."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, width, bias=False)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x_BTD):
        B, T, D = x_BTD.shape
        q, k, v = (part.view(B, T, self.heads, D // self.heads).transpose(1, 2)
                   for part in self.qkv(self.norm1(x_BTD)).split(D, dim=2))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x_BTD = x_BTD + self.project(y.transpose(1, 2).reshape(B, T, D))
        return x_BTD + self.down(functional.gelu(self.up(self.norm2(x_BTD)), approximate="tanh"))


class GptNet(nn.Module):
    """A GPT over bytes (Radford et al. 2019, sizes as in nanoGPT): learned positions, the head is the embedding of
    tokens. Parameters in order: tokens.weight (vocab, D), positions.weight (context, D), blocks.<i>.{norm1.weight,
    norm1.bias, qkv.weight, project.weight, norm2.weight, norm2.bias, up.weight, down.weight}, norm.weight, norm.bias.
    Start: matrices normal with 0.02, `project` and `down` with 0.02 / sqrt(2 layers); LayerNorms 1 and 0.
    Rows are T + 1 tokens: inputs are the first T, targets the last T; the loss is the mean over all tokens."""

    def __init__(self, layers, heads, width, context, vocab=256):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(GptBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                residual = name.endswith(("project.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)

    def forward(self, tokens_BT):
        x = self.tokens(tokens_BT) + self.positions.weight[: tokens_BT.shape[1]]
        for block in self.blocks:
            x = block(x)
        return functional.linear(self.norm(x), self.tokens.weight)

    def losses(self, batch):
        rows = batch["tokens"].long()
        logits = self(rows[:, :-1])
        return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


#: Sizes that are measured. `batch` is the rows of a step over all ranks.
SIZES = {
    "digits": {"batch": 64, "width": 32},
    "resnet": {"batch": 16, "width": 64},
    "gpt": {"batch": 4, "layers": 6, "heads": 6, "width": 384, "context": 256, "vocab": 256},  # 10.8 M parameters
    "gpt-350m": {"batch": 8, "layers": 24, "heads": 16, "width": 1024, "context": 1024, "vocab": 50304},
}


def make(name):
    size = {key: value for key, value in SIZES[name].items() if key != "batch"}
    return {"digits": DigitsNet, "resnet": ResNet18}.get(name, GptNet)(**size)


def synthetic(name, rows, seed=1):
    """Columns of random rows, as numpy arrays of the types and shapes that a trial's file has."""
    import numpy

    draw = numpy.random.default_rng(seed)
    if name == "digits":
        return {"images": draw.integers(0, 17, (rows, 1, 8, 8)).astype("f4"),
                "labels": draw.integers(0, 10, rows).astype("u1")}
    if name == "resnet":
        return {"images": draw.integers(0, 256, (rows, 3, 32, 32), "u1"),
                "labels": draw.integers(0, 10, rows).astype("u1")}
    return {"tokens": draw.integers(0, 256, (rows, SIZES[name]["context"] + 1), "u1")}
