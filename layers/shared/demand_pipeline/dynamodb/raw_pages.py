"""Scan's pages as DynamoDB sends them, checked but not parsed."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

from demand_pipeline import clients
from demand_pipeline.deadline import Deadline
from demand_pipeline.dynamodb.typed_json import Item, PageSummary, summarize_page, summarize_whole_page
from demand_pipeline.errors import TransientError


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of Scan for the table `source`; `checked` if it came with a checksum, which matched."""

    source: str
    body: bytes
    checked: bool

    def summarize(self) -> PageSummary:
        """Return the page's counts and next key; raises TransientError if it is not a Scan response."""
        try:
            return summarize_whole_page(self.body) if self.checked else summarize_page(self.body)
        except (ValueError, RecursionError) as error:
            # Without a checksum, a page may be truncated. The error may quote an item, so only its class is shown.
            raise TransientError(
                f"scanning {self.source}: the answer is not a Scan response ({type(error).__name__})"
            ) from None


class RawPages:
    """Scan's answers as bytes: botocore checks and retries them, but does not parse the items."""

    def __init__(self, source: str, deadline: Deadline) -> None:
        self._client = clients.client("dynamodb", deadline)
        self._client.meta.events.register("before-parse.dynamodb.Scan", _keep_body)
        self._source = source

    def read(self, segment: str, key: Item | None, limit: int | None) -> Page:
        """Read the page of a segment, such as `5/8`, that follows `key`; at most `limit` items. Thread-safe."""
        number, total = map(int, segment.split("/"))
        arguments: dict[str, Any] = {
            "TableName": self._source,
            "Segment": number,
            "TotalSegments": total,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if key is not None:
            arguments["ExclusiveStartKey"] = _for_boto3(key)
        if limit is not None:
            arguments["Limit"] = limit
        with clients.translate_errors(f"scanning {self._source}"):
            answer = self._client.scan(**arguments)
        body: bytes = answer[_RAW_PAGE]
        checksum = answer["ResponseMetadata"]["HTTPHeaders"].get(_CHECKSUM)
        # boto3 retries a damaged page, but accepts it after the last attempt.
        if checksum is not None and int(checksum) != zlib.crc32(body):
            raise TransientError(f"scanning {self._source}: a page does not match its checksum")
        return Page(self._source, body, checked=checksum is not None)


def _for_boto3(key: Item) -> dict[str, Any]:
    """Convert a page's key for boto3, which encodes binary values itself: in a page they are already base64."""
    return {
        name: {kind: base64.b64decode(text, validate=True) if kind == "B" else text for kind, text in value.items()}
        for name, value in key.items()
    }


_RAW_PAGE = "RawPage"
_CHECKSUM = "x-amz-crc32"
_OK = 200


def _keep_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Handle botocore's `before-parse` event: botocore merges the customized dict into the answer.

    Error bodies must reach the parser; otherwise botocore would raise no error.
    """
    if response_dict["status_code"] == _OK:
        customized_response_dict[_RAW_PAGE] = response_dict["body"]
        response_dict["body"] = b"{}"
