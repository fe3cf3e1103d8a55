"""Fine-tunes the encoder of a trained run with labels, few or many.

Examples:

    With one label in a hundred of the data set's own:
        python -m and_tf.finetune --run_dir=runs/cifar100 \\
            --labelled_fraction=0.01

    A folder, with labels in a table of the columns file and label:
        python -m and_tf.finetune --run_dir=runs/photos --labels=labels.csv

    Another seed, elsewhere, without training from scratch beside it:
        python -m and_tf.finetune --run_dir=runs/cifar100 --seed=1 \\
            --nocompare --output_dir=runs/cifar100/finetune_1

It trains a linear head on frozen features, then head and encoder together, and
compares both with the same network from scratch. Everything is written to
<run_dir>/finetune or --output_dir; classifier.keras there opens in Keras alone.
"""

from __future__ import annotations

from and_tf.finetuning.config import FinetuneConfig
from and_tf.utils import cli


def main(config: FinetuneConfig) -> None:
    """Fine-tunes a run; imports TensorFlow only after flags are checked."""
    cli.import_tensorflow()
    from and_tf.finetuning import trainer

    trainer.finetune(config)


if __name__ == "__main__":
    cli.run(main, FinetuneConfig)
