"""Configures gunicorn for wsgi_server.py: bounds, and a graceful stop."""

import os

wsgi_app = "wsgi_server:create()"
pythonpath = os.path.dirname(os.path.abspath(__file__))
# Vertex AI names the port.
bind = f"0.0.0.0:{os.environ.get('AIP_HTTP_PORT', '8080')}"

# One process, so that the model is in memory once; TensorFlow uses all cores.
# It is loaded in that process, as TensorFlow must not run before a fork.
worker_class = "gthread"
workers = 1
threads = 4  # Requests in work at once; others wait.
worker_connections = 100  # Open at once, the waiting ones included.

timeout = 300  # Seconds, in which the model has to be loaded.
graceful_timeout = 30  # Seconds after SIGTERM, to finish what has begun.
control_socket_disable = True  # Nothing is written.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
