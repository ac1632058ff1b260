"""The adapted model: the prompt, the engines that generate, and LoRA adapters that can be trusted."""
