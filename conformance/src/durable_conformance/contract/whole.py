"""All groups in one class."""

from __future__ import annotations

from typing import ClassVar

from durable_conformance.contract.attributes import AttributeClauses
from durable_conformance.contract.checkpoint_names import CheckpointNameClauses
from durable_conformance.contract.checkpoints import CheckpointClauses
from durable_conformance.contract.claims import ClaimClauses
from durable_conformance.contract.endings import EndingClauses
from durable_conformance.contract.events import EventClauses
from durable_conformance.contract.facets import FacetClauses
from durable_conformance.contract.fences import FenceClauses
from durable_conformance.contract.identifiers import IdentifierClauses
from durable_conformance.contract.instants import InstantClauses
from durable_conformance.contract.leases import LeaseClauses
from durable_conformance.contract.patches import PatchClauses
from durable_conformance.contract.payloads import PayloadClauses
from durable_conformance.contract.polls import PollClauses
from durable_conformance.contract.process_deaths import ProcessDeathClauses
from durable_conformance.contract.process_races import ProcessRaceClauses
from durable_conformance.contract.queries import QueryClauses
from durable_conformance.contract.retention import RetentionClauses
from durable_conformance.contract.runs import RunClauses
from durable_conformance.contract.schema import SchemaClauses
from durable_conformance.contract.signal_consumption import SignalConsumptionClauses
from durable_conformance.contract.signal_delivery import SignalDeliveryClauses
from durable_conformance.contract.signals import SignalClauses
from durable_conformance.contract.tags import TagClauses
from durable_conformance.contract.transactions import TransactionClauses
from durable_conformance.harness import Harness

__all__ = ["StoreContract"]


class StoreContract(
    RunClauses,
    PatchClauses,
    EndingClauses,
    CheckpointClauses,
    CheckpointNameClauses,
    FenceClauses,
    PollClauses,
    ClaimClauses,
    LeaseClauses,
    SignalClauses,
    SignalDeliveryClauses,
    SignalConsumptionClauses,
    EventClauses,
    QueryClauses,
    TagClauses,
    FacetClauses,
    AttributeClauses,
    PayloadClauses,
    InstantClauses,
    IdentifierClauses,
    RetentionClauses,
    TransactionClauses,
    SchemaClauses,
    ProcessRaceClauses,
    ProcessDeathClauses,
):
    """Every clause. Subclass it with a harness, in a class whose name starts with ``Test``."""

    harness: ClassVar[Harness]
