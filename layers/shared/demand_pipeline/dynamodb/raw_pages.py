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
    """One answer of Scan about the table `source`; `checked` if it came with a checksum, which was right then."""

    source: str
    body: bytes
    checked: bool

    def summarize(self) -> PageSummary:
        """What the page says besides its items; raises TransientError if it is no Scan response."""
        try:
            return summarize_whole_page(self.body) if self.checked else summarize_page(self.body)
        except (ValueError, RecursionError) as error:
            # Without a checksum a page may be cut off. The error may quote an item, so only its class is named.
            raise TransientError(
                f"scanning {self.source}: expected a Scan response, got {type(error).__name__}"
            ) from None


class RawPages:
    """Scan's answers as bytes: botocore checks and retries them, but does not parse the items."""

    def __init__(self, source: str, deadline: Deadline) -> None:
        self._client = clients.client("dynamodb", deadline)
        self._client.meta.events.register("before-parse.dynamodb.Scan", _keep_body)
        self._source = source

    def read(self, segment: str, key: Item | None, limit: int | None) -> Page:
        """One page of a segment, such as `5/8`, after `key`, of at most `limit` items; any thread may ask."""
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
        # boto3 tries a damaged page again, but at last it takes what it got.
        if checksum is not None and int(checksum) != zlib.crc32(body):
            raise TransientError(f"scanning {self._source}: a page does not match its checksum")
        return Page(self._source, body, checked=checksum is not None)


def _for_boto3(key: Item) -> dict[str, Any]:
    """A key of a page as boto3 takes it: boto3 encodes binary values, but in a page they are base64 already."""
    return {
        name: {kind: base64.b64decode(text, validate=True) if kind == "B" else text for kind, text in value.items()}
        for name, value in key.items()
    }


_RAW_PAGE = "RawPage"
_CHECKSUM = "x-amz-crc32"
_OK = 200


def _keep_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Serve botocore's `before-parse` event: what lands in the customized dict is merged into the answer.

    Error bodies must reach the parser, or no error would be raised.
    """
    if response_dict["status_code"] == _OK:
        customized_response_dict[_RAW_PAGE] = response_dict["body"]
        response_dict["body"] = b"{}"
