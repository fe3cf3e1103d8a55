# What type checkers and the documentation see of __init__.py, which imports on
# first use. A test holds the two against each other.
from and_tf import data, encoders
from and_tf.evaluation.knn import weighted_knn
from and_tf.method.curriculum import Curriculum
from and_tf.method.discovery import discover
from and_tf.method.memory_bank import MemoryBank
from and_tf.method.model import AND
from and_tf.search.nearest import nearest
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.training.trainer import train as train_run
from and_tf.utils.errors import InputError, Interrupted

__version__: str
__all__ = [
    "AND",
    "Curriculum",
    "InputError",
    "Interrupted",
    "MemoryBank",
    "Run",
    "TrainConfig",
    "data",
    "discover",
    "encoders",
    "nearest",
    "train_run",
    "weighted_knn",
]
