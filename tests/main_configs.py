"""Lists the commands, and the classes whose fields are their flags."""

from __future__ import annotations

import importlib
import inspect
import typing
from types import ModuleType

from absl import flags

from and_tf.training.config import TrainConfig
from and_tf.utils.flag_config import define_flags

MAINS = (
    "and_tf.train", "and_tf.cluster", "and_tf.evaluate", "and_tf.finetune",
    "and_tf.sweep", "and_tf.report", "and_tf.explore",
    "export.client", "export.embed", "export.keras_model", "export.onnx",
    "export.saved_model", "export.search", "export.tflite.__main__",
)  # fmt: skip


def module_of(main: str) -> ModuleType:
    return importlib.import_module(main)


def configs_of(main: str) -> list[type]:
    """Returns a main's configs; a sweep also has those of its trainings."""
    function = module_of(main).main
    hints = typing.get_type_hints(function)
    configs = [hints[name] for name in inspect.signature(function).parameters]
    return [*configs, TrainConfig] if main == "and_tf.sweep" else configs


def flags_of(configs: list[type]) -> flags.FlagValues:
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    for config in configs:
        define_flags(config, values)
    return values
