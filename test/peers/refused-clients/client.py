# Makes a TLS connection to each NAME:PORT, all on 127.0.0.1, and prints a line on how it went.
import socket
import ssl
import sys

for target in sys.argv[1:]:
    name, port = target.split(":")
    try:
        with socket.create_connection(("127.0.0.1", int(port)), 10) as connection:
            ssl.create_default_context().wrap_socket(connection, server_hostname=name)
        print("connected", flush=True)
    except OSError as error:
        print(type(error).__name__, error, flush=True)
