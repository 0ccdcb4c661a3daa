"""Small configurations that tests vary."""


def minimal(**changes):
    base = {
        "study": "toy",
        "paper": "spectral_entropy",
        "datasets": {"phantom": {}},
        "architectures": {"unet": {}},
        "experiments": {
            "main": {"datasets": ["phantom"], "architectures": ["unet"], "methods": ["ce", "spectral"], "seeds": [0]}
        },
    }
    return {**base, **changes}


def experiment(**changes):
    return minimal(experiments={"main": {**minimal()["experiments"]["main"], **changes}})


def tiny(root, **changes):
    """A study of seconds on a phantom of 16^3 voxels, in its own folders under `root`."""
    base = minimal(
        study="tiny",
        data_root=f"{root}/raw",
        prepared_root=f"{root}/prepared",
        results_root=f"{root}/results",
        figures_root=f"{root}/figures",
        datasets={"phantom": {"options": {"cases": 8, "shape": [16, 16, 16]}}},
        architectures={"unet": {"options": {"channels": [4, 8, 8]}}},
        training={
            "steps": 6,
            "epoch_steps": 3,
            "patch": [16, 16, 16],
            "optimizer": "adamw",
            "learning_rate": 0.01,
            "log_interval": 2,
            "checkpoint_interval": 2,
        },
    )
    return {**base, **changes}
