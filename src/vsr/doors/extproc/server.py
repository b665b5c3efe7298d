"""The gRPC server that Envoy calls: one `Process` stream per HTTP request, and the health service.

It owns the socket and nothing else; what happens on a stream is a `Session`'s business.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

import grpc
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from vsr.config.envoy import LISTENER_METADATA
from vsr.config.policy import Policy
from vsr.doors.extproc.session import BrokenStream, Handover, Patience, Session
from vsr.errors import StartError
from vsr.exchange import Exchange, RequestHead

logger = logging.getLogger(__name__)

SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"
_ROOM_FOR_HEADERS = 4 * 1024 * 1024


class Generation(Protocol):
    @property
    def policy(self) -> Policy: ...

    def exchange(self, head: RequestHead, door: str) -> Exchange: ...


class Live(Protocol):
    """What new requests start on; `vsr.generation.Live` is one."""

    @property
    def current(self) -> Generation: ...


class ExtProcServer:
    """Start it when a generation is ready: from then on it reports SERVING.

    port 0 takes a free one. reuse_port lets several processes share the port. After `patience` seconds
    of work on one message Envoy is asked to wait longer, so it must be less than Envoy's
    `message_timeout`. A body limit that a later configuration raises holds after a restart only, since
    gRPC fixes its own limit here.
    """

    def __init__(
        self,
        live: Live,
        *,
        address: str = "127.0.0.1",
        port: int = 50051,
        reuse_port: bool = False,
        patience: float = 4.0,
        hop: Handover | None = None,
    ) -> None:
        self._live = live
        self._hop = hop
        self._address = address
        self._port = port
        self._patience = patience
        self._health = health.aio.HealthServicer()
        largest = live.current.policy.limits.max_body_bytes + _ROOM_FOR_HEADERS
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", largest),
                ("grpc.max_send_message_length", largest),
                ("grpc.so_reuseport", int(reuse_port)),
            ]
        )
        process = grpc.stream_stream_rpc_method_handler(
            self._process,
            request_deserializer=pb.ProcessingRequest.FromString,
            response_serializer=pb.ProcessingResponse.SerializeToString,
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, {"Process": process})
        self._server.add_generic_rpc_handlers((handler,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> int:
        """Listen; returns the port. StartError if it is taken."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        try:
            port = self._server.add_insecure_port(f"{host}:{self._port}")
        except RuntimeError:
            port = 0
        if not port:
            raise StartError(
                f"cannot listen on {host}:{self._port} for Envoy: the port is in use or not allowed"
            )
        await self._server.start()
        await self._report(health_pb2.HealthCheckResponse.SERVING)
        return int(port)

    async def stop(self, grace: float) -> None:
        """Refuse new streams at once, let running ones end within `grace` seconds, then cut them."""
        await self._report(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.stop(grace)

    async def _report(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for service in ("", SERVICE):
            await self._health.set(service, status)

    async def _process(self, _requests: object, context: grpc.aio.ServicerContext) -> None:
        metadata = dict(context.invocation_metadata() or ())
        generation = self._live.current
        listener = str(metadata.get(LISTENER_METADATA, ""))
        session = Session(
            _Stream(context),
            lambda head: generation.exchange(head, door="extproc"),
            listener=listener,
            policy=generation.policy,
            patience=Patience(self._patience, _time_limit(generation.policy, listener)),
            hop=self._hop,
        )
        try:
            await session.run()
        except BrokenStream as error:
            logger.error("stream aborted: %s", error)
            await context.abort(grpc.StatusCode.INTERNAL, str(error))


def _time_limit(policy: Policy, listener: str) -> float:
    """What the generated configuration allows as `max_message_timeout`."""
    return next(
        (one.timeout for one in policy.listeners if one.name == listener), policy.listeners[0].timeout
    )


@dataclass(frozen=True, slots=True)
class _Stream:
    context: grpc.aio.ServicerContext

    async def read(self) -> pb.ProcessingRequest | None:
        message = await self.context.read()
        return None if message is grpc.aio.EOF else message

    async def write(self, message: pb.ProcessingResponse) -> None:
        await self.context.write(message)
