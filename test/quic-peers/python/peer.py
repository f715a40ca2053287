"""An HTTP/3 server and client of aioquic that do what those of ../go do: the client compares every byte."""

import argparse
import asyncio
import hashlib
import json
import ssl
import sys
from urllib.parse import parse_qs, urlsplit

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated
from aioquic.quic.packet import QuicProtocolVersion

VERSIONS = {
    "1": QuicProtocolVersion.VERSION_1,
    "2": QuicProtocolVersion.VERSION_2,
    # One that nobody speaks (RFC 9000 section 15).
    "reserved": 0x1A2A3A4A,
}


def pattern(name: str, length: int) -> bytes:
    block = hashlib.sha256(name.encode()).digest()
    blocks = []
    for _ in range(0, length, len(block)):
        block = hashlib.sha256(block).digest()
        blocks.append(block)
    return b"".join(blocks)[:length]


class Http(QuicConnectionProtocol):
    """One connection that speaks HTTP/3."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = None

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        if self.http is not None:
            for each in self.http.handle_event(event):
                self.http_event(each)


class Server(Http):
    name = ""

    def http_event(self, event):
        if isinstance(event, HeadersReceived):
            headers = dict(event.headers)
            if headers[b":authority"].decode().split(":")[0] != self.name:
                self.http.send_headers(event.stream_id, [(b":status", b"421")], end_stream=True)
                return
            self.http.send_headers(event.stream_id, [(b":status", b"200")])
            url = urlsplit(headers[b":path"].decode())
            if url.path == "/bytes":
                length = int(parse_qs(url.query)["n"][0])
                self.http.send_data(event.stream_id, pattern(self.name, length), end_stream=True)
        elif isinstance(event, DataReceived):
            self.http.send_data(event.stream_id, event.data, end_stream=event.stream_ended)
        self.transmit()


async def server(args):
    Server.name = args.name
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(args.cert, args.key)
    running = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=Server, retry=args.retry)
    print(json.dumps({"port": running._transport.get_extra_info("sockname")[1]}), flush=True)
    await asyncio.Event().wait()


class Client(Http):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.answers = {}

    def http_event(self, event):
        status, parts, done = self.answers[event.stream_id]
        if isinstance(event, HeadersReceived):
            status.append(dict(event.headers)[b":status"].decode())
        elif isinstance(event, DataReceived):
            parts.append(event.data)
        if event.stream_ended:
            done.set_result(b"".join(parts))

    async def ask(self, method, name, path, body=None):
        stream = self._quic.get_next_available_stream_id()
        done = asyncio.get_running_loop().create_future()
        status = []
        self.answers[stream] = (status, [], done)
        headers = [(":method", method), (":scheme", "https"), (":authority", name), (":path", path)]
        encoded = [(key.encode(), value.encode()) for key, value in headers]
        self.http.send_headers(stream, encoded, end_stream=body is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        answer = await asyncio.wait_for(done, 30)
        if status[0] != "200":
            sys.exit(f"{name} answered {status[0]}")
        return answer


async def client(args):
    host, port = args.gateway.split(":")
    configuration = QuicConfiguration(
        alpn_protocols=["h3"],
        server_name=args.name,
        verify_mode=ssl.CERT_NONE,
        idle_timeout=10,
        quantum_readiness_test=args.large,
    )
    configuration.supported_versions = [VERSIONS[each] for each in args.versions.split(",")]
    expected = pattern(args.name, args.bytes)
    async with connect(host, int(port), configuration=configuration, create_protocol=Client) as connection:
        for turn in range(args.rounds):
            if turn > 0 and args.change_id:
                connection.change_connection_id()
            # By this the id has been used, and whoever reads may have the address change.
            await connection.ask("GET", args.name, "/bytes?n=100")
            print(f"round {turn}", flush=True)
            await asyncio.sleep(args.pause)
            down = await connection.ask("GET", args.name, f"/bytes?n={args.bytes}")
            up = await connection.ask("POST", args.name, "/echo", expected)
            if down != expected or up != expected:
                sys.exit(f"{len(down)} and {len(up)} bytes are not the {args.bytes} that were meant")
        print(f"ok, version {connection._quic._version:#x}")


def main():
    parser = argparse.ArgumentParser()
    roles = parser.add_subparsers(dest="role", required=True)
    serving = roles.add_parser("server")
    serving.add_argument("--cert", required=True)
    serving.add_argument("--key", required=True)
    serving.add_argument("--retry", action="store_true")
    asking = roles.add_parser("client")
    asking.add_argument("--gateway", required=True)
    asking.add_argument("--bytes", type=int, default=1000)
    asking.add_argument("--rounds", type=int, default=1)
    asking.add_argument("--pause", type=float, default=0)
    asking.add_argument("--large", action="store_true", help="send a ClientHello of several datagrams")
    asking.add_argument("--versions", default="1", help="to speak, the first one first")
    asking.add_argument("--change-id", action="store_true", help="use another connection id in each round")
    for role in (serving, asking):
        role.add_argument("--name", default="a.example")
    args = parser.parse_args()
    asyncio.run(server(args) if args.role == "server" else client(args))


main()
