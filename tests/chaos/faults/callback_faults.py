"""Faults on the way of Temporal's completion callbacks."""

import asyncio
from collections.abc import Callable
from random import Random
from uuid import UUID

import httpx

from tests.chaos.plan.kinds import FaultKind
from tests.chaos.plan.plan import Fault
from tests.chaos.proxies.callback_proxy import TOKEN, Treatment
from tests.chaos.record import Record
from tests.chaos.system.system import System
from tests.support.eventually import until

TREATMENTS = {
    FaultKind.CALLBACK_REFUSED: 3,
    FaultKind.CALLBACK_UNACKNOWLEDGED: 3,
    FaultKind.CALLBACK_SLOW: 2,
    FaultKind.CALLBACK_DUPLICATED: 3,
    FaultKind.CALLBACK_LATE: 4,
    FaultKind.CALLBACK_LOST: 2,
}
"""How many callbacks one fault of the class touches."""
FORGED = {"Nexus-Operation-State": "succeeded", "Content-Type": "application/json"}
MADE_UP = f"chaos.ZGVmYXVsdA.{'A' * 43}"
"""In the true form, for the tenant `default`; only the signature is made up."""
TIMEOUT = 30.0


class CallbackFaults:
    """Prepares treatments for the proxy, closes it, and forges callbacks."""

    def __init__(self, system: System, record: Record) -> None:
        self._system = system
        self._record = record
        self._waiting: list[Treatment] = []

    async def inject(self, fault: Fault) -> None:
        """Do it, or have the next callbacks treated so."""
        if fault.kind is FaultKind.RECEIVER_DOWN:
            self._system.receiver.down()
            await asyncio.sleep(fault.seconds)
            await self._system.receiver.up()
            self._record.injected[fault.kind] += 1
        elif fault.kind is FaultKind.CALLBACK_FORGED:
            await self._forge(fault)
        elif fault.kind is FaultKind.CALLBACK_EARLY:
            await self._come_early(fault)
        else:
            treatment = Treatment(fault.kind, fault.seconds, TREATMENTS[fault.kind])
            self._waiting.append(treatment)
            self._system.receiver.treatments.append(treatment)

    def count(self) -> None:
        """Count the treatments that at least one callback got."""
        for treatment in self._waiting:
            if not treatment.untouched:
                self._record.injected[treatment.kind] += 1
        self._waiting.clear()

    async def _forge(self, fault: Fault) -> None:
        """A made-up success for an operation that was accepted lately, under no token, a made-up one, or another
        operation's: 401, always."""
        dice = Random(fault.number)
        recent = [operation_id for ids in list(self._record.answers.values())[-40:] for operation_id in ids]
        if not recent:
            return
        victim = dice.choice(recent)
        others = [token for operation_id, token in self._system.receiver.tokens.items() if operation_id != victim]
        token = dice.choice([None, MADE_UP, f"{dice.getrandbits(256):064x}", *others[-2:]])
        status = await self._answer(dice, victim, token, lambda status: status < 500)
        if status is None:
            return
        if status != 401:
            self._record.complaints.append(f"a forged callback was answered {status}: {victim}")
        self._record.injected[fault.kind] += 1

    async def _come_early(self, fault: Fault) -> None:
        """A callback for an operation that is not there, as one is that overtakes its commit: Temporal must call again,
        which it does after 503 and not after 404."""
        dice = Random(fault.number)
        stranger = UUID(int=dice.getrandbits(128), version=4)
        token = self._system.token(stranger)
        status = await self._answer(dice, str(stranger), token, lambda status: True)
        if status is None:
            return
        if status != 503:
            self._record.complaints.append(f"a callback that came before its operation was answered {status}")
        self._record.injected[fault.kind] += 1

    async def _answer(
        self, dice: Random, operation_id: str, token: str | None, good: Callable[[int], bool]
    ) -> int | None:
        """What either API answers to a made-up success, when it is able to; None if it never is."""
        headers = FORGED if token is None else FORGED | {TOKEN: token}
        status: int | None = None

        async def answered() -> bool:
            nonlocal status
            url = f"{dice.choice(self._system.urls)}/v1/callbacks/{operation_id}"
            try:
                status = (await http.post(url, headers=headers, json={"forged": True})).status_code
            except httpx.TransportError:
                return False
            return good(status)

        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            return status if await until(answered, TIMEOUT) else None
