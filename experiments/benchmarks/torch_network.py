"""The r18 (2+1)D tower for RGB, written in PyTorch, and a worker that trains it (torch_tower.py) or embeds
(export_speed.py).

    clip [B,3,T,H,W] -> 2x - 1 -> stem -> 4 stages of 2 blocks -> mean over T,H,W -> embedding [B,512]

Imports torch and NumPy only, so that it runs in an environment without TensorFlow. Modules are made in the order of
`elo_tf.networks.backbone`, so that weights correspond one by one. Strided convolutions are padded on both sides
here, and on one side only there where a size is even: same sizes, same work, values that differ at the border. Where
every size is odd, as in 9 x 33 x 33, both compute the same (tests/test_torch_tower.py).
"""

import argparse
from typing import List, Sequence

import numpy as np
import torch
from torch import nn

from experiments.benchmarks.turns import serve

STEM_MIDDLE = 45
WIDTHS = (64, 128, 256, 512)
BLOCKS = 2


def middle_width(inputs: int, outputs: int) -> int:
    """As many weights as a full 3 x 3 x 3 convolution has (Tran et al., Sec. 3.5)."""
    return (3 * 9 * inputs * outputs) // (9 * inputs + 3 * outputs)


def norm(channels: int) -> nn.Module:
    return nn.BatchNorm3d(channels, eps=1e-5, momentum=0.1)


class Unit(nn.Sequential):
    """k x k in space -> BN -> ReLU -> 3 in time, both with the same stride but where `temporal_stride` differs."""

    def __init__(self, inputs: int, middle: int, outputs: int, kernel: int, stride: int, temporal_stride: int):
        pad = kernel // 2
        super().__init__(
            nn.Conv3d(inputs, middle, (1, kernel, kernel), (1, stride, stride), (0, pad, pad), bias=False),
            norm(middle),
            nn.ReLU(inplace=True),
            nn.Conv3d(middle, outputs, (3, 1, 1), (temporal_stride, 1, 1), (1, 0, 0), bias=False),
        )


class Block(nn.Module):
    """Two units and a shortcut: x -> unit -> BN -> ReLU -> unit -> BN -> (+ shortcut(x)) -> ReLU."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.first = Unit(inputs, middle_width(inputs, width), width, 3, stride, stride)
        self.first_norm = norm(width)
        self.second = Unit(width, middle_width(width, width), width, 3, 1, 1)
        self.second_norm = norm(width)
        self.shortcut = None
        if stride > 1 or inputs != width:
            self.shortcut = nn.Sequential(nn.Conv3d(inputs, width, 1, stride, bias=False), norm(width))

    def forward(self, video):
        shortcut = video if self.shortcut is None else self.shortcut(video)
        video = torch.relu_(self.first_norm(self.first(video)))
        return torch.relu_(self.second_norm(self.second(video)) + shortcut)


class Tower(nn.Module):
    """[B,3,T,H,W] in [0,1] -> embedding [B,512], float32."""

    def __init__(self):
        super().__init__()
        self.stem = Unit(3, STEM_MIDDLE, WIDTHS[0], 7, 2, 1)
        self.stem_norm = norm(WIDTHS[0])
        blocks: List[nn.Module] = []
        inputs = WIDTHS[0]
        for stage, width in enumerate(WIDTHS):
            for index in range(BLOCKS):
                blocks.append(Block(inputs, width, 2 if stage and not index else 1))
                inputs = width
        self.blocks = nn.Sequential(*blocks)

    def forward(self, video):
        video = torch.relu_(self.stem_norm(self.stem(2.0 * video - 1.0)))
        return self.blocks(video).float().mean(dim=(2, 3, 4))

    @torch.no_grad()
    def assign(self, weights: Sequence[np.ndarray]) -> None:
        """Takes the weights of `elo_tf.networks.backbone`, kernels [k,k,in,out] or [k,1,in,out], in its order."""
        for parameter, weight in zip(self.parameters(), weights):
            weight = weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(weight)).reshape(parameter.shape))


def mean_square(tower: Tower, video: torch.Tensor, bfloat16: bool) -> torch.Tensor:
    """The loss that is trained: the mean of the squares of the embedding."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        return tower(video).square().mean()


def train(arguments: argparse.Namespace) -> None:
    """Serves training steps on one batch of noise, channels last, SGD with momentum by its fused kernel."""
    torch.set_flush_denormal(True)  # As TensorFlow does; threads that are started later inherit it.
    torch.set_num_threads(arguments.threads)
    tower = Tower().to(memory_format=torch.channels_last_3d)
    optimizer = torch.optim.SGD(tower.parameters(), lr=1e-3, momentum=0.9, fused=True)
    video = torch.rand(arguments.batch_size, 3, arguments.frames, arguments.crop_size, arguments.crop_size)
    video = video.to(memory_format=torch.channels_last_3d)
    bfloat16 = arguments.precision == "mixed_bfloat16"
    loss = torch.compile(mean_square) if arguments.compile else mean_square

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(tower, video, bfloat16).backward()
        optimizer.step()

    statistics = sum(buffer.numel() for buffer in tower.buffers() if buffer.is_floating_point())
    weights = sum(parameter.numel() for parameter in tower.parameters())
    serve(step, {"framework": f"PyTorch {torch.__version__}", "weights": weights, "statistics": statistics})


def embed(arguments: argparse.Namespace) -> None:
    """Serves embeddings of one batch of noise, by the statistics of a tower that is not trained any more."""
    torch.set_flush_denormal(True)
    torch.set_num_threads(arguments.threads)
    tower = Tower().to(memory_format=torch.channels_last_3d).eval()
    video = torch.rand(arguments.batch_size, 3, arguments.frames, arguments.crop_size, arguments.crop_size)
    video = video.to(memory_format=torch.channels_last_3d)
    run = torch.compile(tower) if arguments.compile else tower

    def step():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, arguments.precision == "mixed_bfloat16"):
            run(video)

    serve(step, {"framework": f"PyTorch {torch.__version__}"})


def compute(path: str) -> None:
    """Reads `video` [B,T,H,W,3] and `weight0` ... from an .npz file; adds the embedding and the gradients, as lists."""
    given = np.load(path, allow_pickle=False)
    tower = Tower()
    tower.assign([given[f"weight{index}"] for index in range(len(list(tower.parameters())))])
    video = torch.from_numpy(given["video"].transpose(0, 4, 1, 2, 3))
    mean_square(tower, video, bfloat16=False).backward()
    gradients = {f"gradient{index}": parameter.grad.numpy() for index, parameter in enumerate(tower.parameters())}
    np.savez(path, embedding=tower(video).detach().numpy(), **gradients)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compute", help="answer this .npz file in place, and end")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--crop_size", type=int, default=112)
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"], default="float32")
    parser.add_argument("--embed", action="store_true", help="embed, do not train")
    parser.add_argument("--compile", action="store_true", help="pass the loss through torch.compile")
    arguments = parser.parse_args()
    if arguments.compute:
        compute(arguments.compute)
    else:
        (embed if arguments.embed else train)(arguments)


if __name__ == "__main__":
    main()
