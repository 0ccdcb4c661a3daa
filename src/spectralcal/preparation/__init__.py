"""From raw volumes to arrays that training can read: grids, intensities, crops, the manifest and the splits."""

from spectralcal.data.fewer_patients import keep_train_patients
from spectralcal.data.manifest import PreparedCase, manifest_hash, read_manifest
from spectralcal.data.splits import check_split, read_split, split_patients, write_split
from spectralcal.preparation.facts import data_facts
from spectralcal.preparation.prepare import prepare_dataset
from spectralcal.preparation.published import published_split

__all__ = [
    "PreparedCase",
    "check_split",
    "data_facts",
    "keep_train_patients",
    "manifest_hash",
    "prepare_dataset",
    "published_split",
    "read_manifest",
    "read_split",
    "split_patients",
    "write_split",
]
