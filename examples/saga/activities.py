"""A shop's three ledgers, each a file. Every step has a compensation; both may be repeated without harm."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError


@dataclass
class Order:
    """What a customer orders; `ledgers` is the folder in which the shop writes."""

    id: str
    item: str
    price: int
    ledgers: str


def entries(order: Order) -> list[str]:
    """What the ledgers say about an order, in the order in which it happened."""
    path = Path(order.ledgers, f"{order.id}.json")
    return json.loads(path.read_text()) if path.exists() else []


def _write(order: Order, entry: str) -> None:
    """Adds an entry once."""
    known = entries(order)
    if entry not in known:
        Path(order.ledgers, f"{order.id}.json").write_text(json.dumps(known + [entry]))


@activity.defn
def reserve_item(order: Order) -> None:
    """Takes the item off the shelf."""
    _write(order, "reserved")


@activity.defn
def charge_card(order: Order) -> None:
    """Takes the money; the bank is busy at the first attempt."""
    if activity.info().attempt == 1:
        raise ApplicationError("the bank is busy", type="BankBusy")
    _write(order, "charged")


@activity.defn
def ship(order: Order) -> None:
    """Sends the item; an item that is too heavy can never be sent, a slow one takes until somebody cancels."""
    if order.item == "anvil":
        raise ApplicationError("too heavy to ship", type="TooHeavy", non_retryable=True)
    if order.item == "snail":
        for _ in range(200):
            activity.heartbeat()
            time.sleep(0.1)
    _write(order, "shipped")


@activity.defn
def release_item(order: Order) -> None:
    """Puts the item back."""
    _write(order, "released")


@activity.defn
def refund_card(order: Order) -> None:
    """Gives the money back; the bank is busy at the first attempt."""
    if activity.info().attempt == 1:
        raise ApplicationError("the bank is busy", type="BankBusy")
    _write(order, "refunded")
