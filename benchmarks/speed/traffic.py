"""Compute what the replicas of a step send each other, in bytes."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Exchange:
    """Describes one collective operation.

    Attributes:
        kind: "all-reduce", "gather" or "broadcast".
        payload: Bytes of the tensor that each replica sends.
    """

    kind: str
    payload: float

    def received(self, replicas: int) -> float:
        """Return the bytes that reach each replica in a ring."""
        return {
            "all-reduce": 2 * self.payload * (replicas - 1) / replicas,
            "gather": self.payload * (replicas - 1),
            "broadcast": self.payload,
        }[self.kind]


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Describes the exchanges of a step, for any number of replicas.

    Attributes:
        fixed: Exchanges whose payload no number of replicas changes.
        growing: Exchanges whose payload is in proportion to it, for one.
    """

    fixed: tuple[Exchange, ...]
    growing: tuple[Exchange, ...]

    @classmethod
    def of_two(
        cls,
        first: tuple[int, list[Exchange]],
        second: tuple[int, list[Exchange]],
    ) -> Traffic:
        """Tell both kinds apart by counts with two numbers of replicas.

        Args:
            first: Replicas and what they exchanged.
            second: The same step, with another number of replicas.

        Raises:
            ValueError: If a payload is neither constant nor in proportion.
        """
        fixed, growing = [], []
        for one, two in zip(first[1], second[1], strict=True):
            if one == two:
                fixed.append(one)
            elif one.kind == two.kind and (
                one.payload * second[0] == two.payload * first[0]
            ):
                growing.append(Exchange(one.kind, one.payload / first[0]))
            else:
                raise ValueError(
                    "Expected a payload that is constant or in proportion to "
                    f"the replicas. Received: {one} of {first[0]} replicas, "
                    f"{two} of {second[0]}."
                )
        return cls(tuple(fixed), tuple(growing))

    def received(self, replicas: int) -> tuple[float, float]:
        """Return the bytes that reach each replica in a step.

        Returns:
            Those of the gradients, and of what else has one size, such as
            counts; and those that grow with the global batch.
        """
        whole = [
            Exchange(exchange.kind, exchange.payload * replicas)
            for exchange in self.growing
        ]
        of_batch = [e for e in self.fixed if e.kind == "gather"] + whole
        of_network = [e for e in self.fixed if e.kind != "gather"]
        return (
            sum(exchange.received(replicas) for exchange in of_network),
            sum(exchange.received(replicas) for exchange in of_batch),
        )
