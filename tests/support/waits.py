"""A mode that sees operations for which a host would wait for a GPU; they run on a CPU, too."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

#: operations whose result has a size or a value that the host has to know
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "is_nonzero", "equal"}


class Waits(TorchDispatchMode):
    """Names of the operations that would make a host wait, while `watching`."""

    def __init__(self):
        super().__init__()
        self.watching, self.found = False, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.split("::")[-1]
        masked = name == "index" and any(getattr(index, "dtype", None) == torch.bool for index in args[1])
        if self.watching and (name in WAITING or masked):
            self.found.append(name)
        return function(*args, **(kwargs or {}))
