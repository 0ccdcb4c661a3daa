"""The machine: devices and number formats, GPUs and their slots, memory, energy, installed versions."""
