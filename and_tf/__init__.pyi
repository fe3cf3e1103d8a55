# What type checkers and the documentation see of __init__.py, which imports on
# first use. A test holds the two against each other.
from and_tf import backbones, data
from and_tf.config import TrainConfig
from and_tf.curriculum import Curriculum
from and_tf.discovery import discover
from and_tf.errors import InputError
from and_tf.evaluation.knn import weighted_knn
from and_tf.memory_bank import MemoryBank
from and_tf.model import AND
from and_tf.run import train as train_run
from and_tf.search.nearest import nearest
from and_tf.trained import load_encoder

__version__: str
__all__ = [
    "AND",
    "Curriculum",
    "InputError",
    "MemoryBank",
    "TrainConfig",
    "backbones",
    "data",
    "discover",
    "load_encoder",
    "nearest",
    "train_run",
    "weighted_knn",
]
