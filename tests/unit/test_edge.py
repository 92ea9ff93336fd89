"""What holds for every answer: who is answered compressed."""

from __future__ import annotations

import gzip

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from springtide.app.view.edge import compress

BODY = b'{"sku": "tea"}' * 100


def answered(accepts, body=BODY, content_type="application/json", **headers):
    request = make_mocked_request("GET", "/", {} if accepts is None else {"Accept-Encoding": accepts})
    response = web.Response(body=body, content_type=content_type, headers=headers)
    compress(request, response)
    return response


@pytest.mark.parametrize("accepts", ["gzip", "deflate, GZIP;q=0.5", "br, gzip", "gzip;q=1.0, identity"])
def test_who_takes_gzip_gets_it(accepts):
    response = answered(accepts)
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.body) == BODY
    assert len(response.body) < len(BODY)


@pytest.mark.parametrize("accepts", [None, "", "identity", "br", "gzip;q=0", "gzip; q=0.0, br", "xgzip"])
def test_who_does_not_gets_it_plain(accepts):
    response = answered(accepts)
    assert "Content-Encoding" not in response.headers
    assert response.body == BODY
    assert response.headers["Vary"] == "Accept-Encoding"


def test_what_is_small_or_packed_or_no_text_stays_as_it_is():
    for response in (
        answered("gzip", body=b"{}"),
        answered("gzip", content_type="image/png"),
        answered("gzip", Vary="Accept-Encoding"),
    ):
        assert "Content-Encoding" not in response.headers
