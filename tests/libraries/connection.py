"""Where a program connects to: its arguments are a URL and a folder with certificates."""

import sys

URL, FOLDER = sys.argv[1:]
OPTIONS = {}
if URL.startswith("rediss:"):
    OPTIONS = {
        "ssl_ca_certs": f"{FOLDER}/ca.crt",
        "ssl_certfile": f"{FOLDER}/client.crt",
        "ssl_keyfile": f"{FOLDER}/client.key",
    }
