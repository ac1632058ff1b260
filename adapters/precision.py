"""The numbers in which training computes: bfloat16 where the hardware multiplies them, float32 elsewhere."""

import platform

import torch

# What torch calls the instructions that multiply bfloat16, of Intel, AMD and ARM.
MULTIPLIES_BFLOAT16 = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")


def training_dtype() -> torch.dtype:
    """Of the GPU if there is one, else of the processor.

    Without such instructions bfloat16 is emulated: on a processor with AVX2 a product of matrices took 75 times as
    long as in float32. Where it is not, a training step took half the time of float32 (docs/log.md).
    """
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        fast = any(capabilities.get(name, False) for name in MULTIPLIES_BFLOAT16)
    return torch.bfloat16 if fast else torch.float32


def in_bfloat16() -> bool:
    return training_dtype() == torch.bfloat16


def machine() -> str:
    """What a card tells of where training took its minutes."""
    return f"{platform.machine()}, {platform.system()}, {str(training_dtype()).removeprefix('torch.')}"
