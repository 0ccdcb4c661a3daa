"""Small configurations that tests vary."""


def minimal(**changes):
    base = {
        "study": "toy",
        "datasets": {"phantom": {}},
        "architectures": {"unet": {}},
        "experiments": {
            "main": {"datasets": ["phantom"], "architectures": ["unet"], "methods": ["ce", "spectral"], "seeds": [0]}
        },
    }
    return {**base, **changes}


def experiment(**changes):
    return minimal(experiments={"main": {**minimal()["experiments"]["main"], **changes}})
