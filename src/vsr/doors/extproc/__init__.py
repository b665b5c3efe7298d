"""The door behind Envoy: an external processor over gRPC, one stream per HTTP request.

messages   Envoy's protobuf messages from and to the values of an exchange
session    one stream drives one exchange through Envoy's phases
server     the gRPC server, its health service, its limit on streams
"""

from vsr.doors.extproc.server import ExtProcServer

__all__ = ["ExtProcServer"]
