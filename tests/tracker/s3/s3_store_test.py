"""Runs the S3 store's tests against moto's server. usage: s3_store_test.py PROGRAM [ARGUMENT...]"""

import logging
import os
import subprocess
import sys

os.environ.update(AWS_ACCESS_KEY_ID="ada", AWS_SECRET_ACCESS_KEY="secret",
                  AWS_DEFAULT_REGION="us-east-1", MOTO_S3_DEFAULT_MAX_KEYS="10")

from moto.server import ThreadedMotoServer  # noqa: E402


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        environment = dict(os.environ, MUSTER_TEST_S3=f"http://{host}:{port}")
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
