"""The machine: devices and number formats, GPUs and their slots, memory, installed versions."""
