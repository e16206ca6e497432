"""Encrypts every payload before it leaves the process; the server never sees the plain text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

ENCODING = b"binary/fernet"


class FernetCodec(PayloadCodec):
    """Wraps each payload, metadata and all, in a Fernet token."""

    def __init__(self, secret: str) -> None:
        key = base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest())
        self._fernet = Fernet(key)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": ENCODING}, data=self._fernet.encrypt(payload.SerializeToString()))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(self._fernet.decrypt(payload.data))
            if payload.metadata.get("encoding") == ENCODING
            else payload
            for payload in payloads
        ]


def encrypted(secret: str) -> DataConverter:
    """The SDK's usual converter with the codec behind it."""
    return dataclasses.replace(DataConverter.default, payload_codec=FernetCodec(secret))
