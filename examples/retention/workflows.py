"""An invoice: one workflow with one activity, and a result that is worth keeping."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow


@dataclass
class Invoice:
    """What was bought, in cents, and where invoices are written to."""

    number: int
    items: list[int]
    folder: str


@activity.defn
def write_invoice(invoice: Invoice) -> str:
    """Writes the invoice, whose name and total it returns."""
    total = f"{sum(invoice.items) / 100:.2f}"
    name = f"invoice-{invoice.number}"
    with open(f"{invoice.folder}/{name}.txt", "w", encoding="utf-8") as file:
        file.write("".join(f"{item / 100:10.2f}\n" for item in invoice.items) + f"{total:>10}\n")
    return f"{name}: {total}"


@workflow.defn
class InvoiceWorkflow:
    @workflow.run
    async def run(self, invoice: Invoice) -> str:
        return await workflow.execute_activity(write_invoice, invoice, start_to_close_timeout=timedelta(seconds=30))
