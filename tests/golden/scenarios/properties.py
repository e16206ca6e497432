"""Search attributes, memo and markers."""

from temporalio.api.common.v1 import Memo, Payload, SearchAttributes

from commands import command, complete, failure, payload, payloads
from stage import Stage


async def search_attributes_upserted(stage: Stage) -> None:
    await stage.start(search_attributes=SearchAttributes(indexed_fields={"GoldenKeyword": payload("old")}))
    attributes = SearchAttributes(indexed_fields={"GoldenKeyword": payload("new"), "GoldenInt": _number(b"5")})
    await stage.next(command("upsert_workflow_search_attributes", search_attributes=attributes), complete())


async def search_attribute_removed(stage: Stage) -> None:
    await stage.start(search_attributes=SearchAttributes(indexed_fields={"GoldenInt": _number(b"5")}))
    attributes = SearchAttributes(indexed_fields={"GoldenInt": _number(b"null")})
    await stage.next(command("upsert_workflow_search_attributes", search_attributes=attributes), complete())


async def memo_modified(stage: Stage) -> None:
    await stage.start(memo=Memo(fields={"kept": payload("old"), "removed": payload("old")}))
    memo = Memo(fields={"added": payload("new"), "removed": Payload(metadata={"encoding": b"binary/null"})})
    await stage.next(command("modify_workflow_properties", upserted_memo=memo), complete())


async def marker(stage: Stage) -> None:
    await stage.start()
    details = {"data": payloads("one", "two")}
    await stage.next(
        command("record_marker", marker_name="marker", details=details, failure=failure("in the marker")), complete()
    )


def _number(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain", "type": b"Int"}, data=data)
