"""A proxy that counts the requests of a program, and the bytes of the responses."""

import contextlib
import ssl
import threading
import time
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

from cluster import config

# The headers that are forwarded.
HEADERS = ["Accept", "Content-Type", "Accept-Encoding"]


class Counter:
    """Records requests. It accepts plain HTTP and authenticates as the user of the kubeconfig."""

    def __init__(self, env):
        cluster, user = config(env)
        server = urlparse(cluster["server"])
        trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self.requests = []
        self.bytes = 0
        self.lock = threading.Lock()
        counter = self

        class Forward(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def forward(self):
                counter.requests.append((time.monotonic(), self.command, self.path))
                connection = HTTPSConnection(server.hostname, server.port, context=trust)
                headers = {name: self.headers[name] for name in HEADERS if self.headers[name]}
                headers["Authorization"] = f"Bearer {user['token']}"
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                connection.request(self.command, self.path, body=body or None, headers=headers)
                answer = connection.getresponse()
                self.send_response(answer.status)
                for name in ["Content-Type", "Content-Encoding"]:
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.end_headers()
                # Either end may close the connection.
                with contextlib.suppress(OSError, HTTPException):
                    while piece := answer.read1(1 << 16):
                        with counter.lock:
                            counter.bytes += len(piece)
                        self.wfile.write(piece)
                        self.wfile.flush()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

            def log_message(self, *_):
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
        self.listener.daemon_threads = True
        self.listener.request_queue_size = 256
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.listener.server_address[1]}"

    def since(self, moment):
        """The paths of the requests since then."""
        return [path for at, _, path in self.requests if at >= moment]

    def reset(self):
        """Starts to count again."""
        with self.lock:
            self.requests, self.bytes = [], 0
