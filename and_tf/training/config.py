"""Defines the config of a training run, which mains make from their flags."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Collection

from and_tf import storage
from and_tf.training.flags.data import DataFlags
from and_tf.training.flags.devices import DeviceFlags
from and_tf.training.flags.encoder import EncoderFlags
from and_tf.training.flags.evaluation import EvaluationFlags
from and_tf.training.flags.learning import LearningFlags
from and_tf.training.flags.loop import LoopConfig
from and_tf.training.flags.method import MethodFlags
from and_tf.training.flags.teacher import OF_LESSON, TeacherFlags
from and_tf.utils import bounds, dataset_names, encoder_names, pixel_ranges
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import RunConfig

PAPER_RATE = 0.03
# With the paper's, three epochs made a trained encoder worse than it was.
PRETRAINED_RATE = 5e-4
# The gradient of a cosine lacks the factor 1 / τ that a softmax with the
# authors' temperature of 0.1 has.
COSINE_FACTOR = 10
_OF_TEACHER = tuple(f.name for f in dataclasses.fields(TeacherFlags))
_LESSON = "--pretext=distillation or --distillation_weight above 0"


@dataclasses.dataclass(frozen=True)
class TrainConfig(
    EvaluationFlags,
    DeviceFlags,
    LearningFlags,
    TeacherFlags,
    MethodFlags,
    EncoderFlags,
    DataFlags,
    LoopConfig,
):
    """All settings of a training run: the flags of `and_tf.train`.

    `python -m and_tf.train --help` describes each of them. The classes of
    `and_tf.training.flags` define them; flagfiles have those of the last class
    first, as the fields of dataclasses are ordered.

    Raises:
        InputError: If a value is out of its range, or two of them conflict.

    Examples:
        >>> import and_tf
        >>> config = and_tf.TrainConfig(dataset="digits", encoder="small")
        >>> config.run_directory.as_posix()
        'runs/digits'
        >>> config.to_flags()[:2]
        ['--strategy=auto', '--communication=auto']
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._read_encoder()
        self._read_teacher()
        self._read_head()
        dataset_names.check_data_dir(self.dataset, self.data_dir)
        pixel_ranges.parse(self.pixel_range)
        if self.view_size and self.encoder == "alexnet":
            raise InputError(
                "Expected no --view_size with --encoder=alexnet, whose dense "
                "layers take one size of images only. Received: "
                f"{self.view_size}."
            )
        if self.clusters and self.selection != "clusters":
            raise InputError(
                "Expected --clusters only with --selection=clusters. "
                f"Received: --clusters={self.clusters} with "
                f"--selection={self.selection}."
            )
        epochs = self.first_round_epochs + self.rounds * self.epochs_per_round
        if not epochs and not self.pretrained:
            raise InputError(
                "Expected at least one epoch of training: --initial_epochs or "
                "--rounds above 0. Received 0 of both, which only evaluates "
                "an encoder with trained weights: give --weights, or an "
                "--encoder that brings its own."
            )
        if epochs > bounds.EPOCHS:
            raise InputError(
                f"Expected at most {bounds.EPOCHS:,} epochs in all rounds. "
                f"Received: --initial_epochs={self.first_round_epochs} and "
                f"--rounds={self.rounds} of --epochs_per_round="
                f"{self.epochs_per_round}."
            )
        if self.rounds and not self.has_bank:
            raise InputError(
                f"Expected --rounds=0 with --pretext={self.pretext}, which "
                f"discovers no neighbourhoods. Received: {self.rounds}. Give "
                "--rounds=0, and the epochs as --initial_epochs."
            )

    def _read_encoder(self, flag: str = "encoder") -> None:
        """Checks the name of an encoder, and marks a path as one.

        A directory is known by being there, and may no longer be there when
        the flags are read again.
        """
        given = getattr(self, flag)
        name = encoder_names.parse(given)
        if name.kind == "path" and os.sep not in given:
            object.__setattr__(self, flag, f".{os.sep}{given}")
        known = name.kind not in ("path", "function")
        of = "pixels" if flag == "encoder" else f"{flag}_pixels"
        pixels = getattr(self, of)
        if known and pixels not in ("", "0..255"):
            raise InputError(
                f"Expected no --{of} with --{flag}={given}, which normalises "
                f"pixel values as it needs them. Received: {pixels}."
            )
        if flag == "encoder" and self.features and name.kind != "own":
            raise InputError(
                f"Expected no --features with --encoder={given}, which has as "
                f"many as it has. Received: {self.features}."
            )
        if flag == "encoder" and name.kind != "own" and self.width != 1:
            raise InputError(
                f"Expected no --width with --encoder={given}, whose layers are "
                f"as wide as they are. Received: {self.width:g}."
            )

    def _read_teacher(self) -> None:
        """Checks the flags of the teacher, and that it has something to do."""
        if self.pretext != "and":
            of_and = ("distillation_weight", "discover_in")
            self._only_with("--pretext=and", of_and)
        searched = self.discover_in == "teacher"
        if not self.is_taught:
            names = OF_LESSON if searched else _OF_TEACHER
            also = "" if searched else " or --discover_in=teacher"
            self._only_with(f"{_LESSON}{also}", names)
        if searched and not self.rounds:
            raise InputError(
                "Expected --rounds above 0 with --discover_in=teacher, as only "
                "rounds discover neighbours. Received: 0."
            )
        if not (self.is_taught or searched):
            return
        if not self.teacher:
            raise InputError(
                "Expected --teacher, a trained encoder, with "
                f"{_LESSON if self.is_taught else '--discover_in=teacher'}. "
                "Received none."
            )
        self._read_encoder("teacher")
        if not has_weights(self.teacher, self.teacher_weights):
            raise InputError(
                f"Expected --teacher_weights with --teacher={self.teacher}, as "
                "a network of random weights has nothing to teach. Received: "
                f"{self.teacher_weights or 'none'}. Give imagenet, or the path "
                "of a file."
            )

    def _read_head(self) -> None:
        """Checks that a head that is to be whitened is one dense layer."""
        if self.rewhiten and self._head not in ("linear", "whitened"):
            raise InputError(
                "Expected --rewhiten only with --head=linear or whitened. "
                f"Received: --head={self._head}."
            )

    def _only_with(self, what: str, names: Collection[str]) -> None:
        """Raises an `InputError` if one of some flags is not its default."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in names and value != field.default:
                raise InputError(
                    f"Expected --{field.name} only with {what}. Received: "
                    f"{value} with --pretext={self.pretext}."
                )

    @property
    def pretrained(self) -> bool:
        """Returns whether the encoder begins with trained weights."""
        return has_weights(self.encoder, self.weights)

    @property
    def resolved(self) -> TrainConfig:
        """The config with the defaults that depend on other flags filled in."""
        begins = self.pretrained
        usual = PRETRAINED_RATE if begins else PAPER_RATE
        if self.pretext == "distillation" and (
            self.distillation_loss == "cosine"
        ):
            usual *= COSINE_FACTOR
        rate = self.learning_rate or usual
        frozen = self.freeze_batch_norm
        again = self.rewhiten
        if again is None:
            again = self._head == "whitened" and self._improves_features
        return dataclasses.replace(
            self,
            head=self._head,
            rewhiten=again,
            pixels=self.pixels or "0..255",
            teacher_pixels=self.teacher_pixels
            or ("0..255" if self.teacher else ""),
            freeze_batch_norm=begins if frozen is None else frozen,
            bank_initialiser=self.bank_initialiser
            or ("encoder" if begins else "unit"),
            learning_rate=rate,
            trunk_learning_rate=self.trunk_learning_rate or rate,
        )

    @property
    def _head(self) -> str:
        """The head, also where it is not given."""
        return self.head or ("whitened" if self.pretrained else "linear")

    @property
    def _improves_features(self) -> bool:
        """Returns whether AND alone trains the layers before the head."""
        alone = self.has_bank and not self.is_taught
        return alone and self.train != "head"

    def differences(self, other: RunConfig) -> list[str]:
        """Returns the names of fields in which two configs' runs differ."""
        assert isinstance(other, TrainConfig)
        return RunConfig.differences(self.resolved, other.resolved)

    @property
    def run_directory(self) -> pathlib.Path:
        """The directory that the run writes to."""
        return storage.place(self.run_dir or f"runs/{self.dataset}")

    @property
    def has_bank(self) -> bool:
        """Returns whether the model has a memory bank, which rounds need."""
        return self.pretext == "and"

    @property
    def is_taught(self) -> bool:
        """Returns whether the loss is a teacher's, or has its part."""
        return self.pretext == "distillation" or self.distillation_weight > 0

    @property
    def first_round_epochs(self) -> int:
        """The number of epochs of instance learning, with -1 resolved."""
        if self.initial_epochs < 0:
            return self.epochs_per_round
        return self.initial_epochs

    def instance_differences(self, other: TrainConfig) -> list[str]:
        """Returns the names of fields in which instance learning differs."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        names = [
            name
            for name in self.differences(other)
            if not fields[name].metadata.get("of_rounds")
        ]
        if not (self.is_taught or other.is_taught):
            # Then only rounds depend on a teacher.
            names = [n for n in names if n not in _OF_TEACHER]
        if self.first_round_epochs != other.first_round_epochs:
            names.append("initial_epochs")
        if self.resolved.rewhiten and bool(self.rounds) != bool(other.rounds):
            # Only after the last epoch of one of them the head is whitened.
            names.append("rounds")
        return names

    @property
    def title(self) -> str:
        """A short description: the encoder, the data set and the pretext."""
        by = {
            "supervised": ", by its labels",
            "rotation": ", by rotations",
            "distillation": f", taught by {self.teacher}",
            "and": f", with {self.teacher}" if self.teacher else "",
        }
        return f"{self.encoder} on {self.dataset}{by[self.pretext]}"


def has_weights(encoder: str, weights: str) -> bool:
    """Returns whether an encoder has trained weights.

    Args:
        encoder: The name of the encoder, see `encoder_names.parse`.
        weights: The weights that were given; "" for none.
    """
    if weights:
        return weights != "none"
    kind = encoder_names.parse(encoder).kind
    return kind not in ("own", "applications")
