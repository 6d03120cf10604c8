"""A gRPC server with grpc.health.v1.Health/Check: health.py PORT [KEY CERT | none]. Each message is one field."""
import sys
import time
from concurrent import futures

import grpc

STATES = {b"": 1, b"up": 1, b"down": 2, b"unknown": 0, b"gone": 3, b"strange": 77}


def check(request, context):
    name = request[3 if len(request) > 129 else 2 :]  # behind the tag and the length
    if name == b"slow":
        time.sleep(5)
    if name not in STATES:
        context.abort(grpc.StatusCode.NOT_FOUND, "no service " + name.decode()[:40] + " \u20ac")
    state = STATES[name]
    return bytes([8, state]) if state else b""


class Health(grpc.GenericRpcHandler):
    def service(self, details):
        known = details.method == "/grpc.health.v1.Health/Check"
        return grpc.unary_unary_rpc_method_handler(check) if known else None


server = grpc.server(futures.ThreadPoolExecutor(4))
address = "127.0.0.1:" + sys.argv[1]
if sys.argv[2:] != ["none"]:
    server.add_generic_rpc_handlers((Health(),))
if len(sys.argv) == 4:
    key, cert = (open(path, "rb").read() for path in sys.argv[2:])
    server.add_secure_port(address, grpc.ssl_server_credentials([(key, cert)]))
else:
    server.add_insecure_port(address)
server.start()
server.wait_for_termination()
