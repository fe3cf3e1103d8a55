# docs/examples/serving/wsgi_server.py with an exported model in it, for Vertex AI or
# whatever else runs containers. In this project's directory:
#
#   docker build -f docs/examples/serving/wsgi.Dockerfile \
#       --build-arg MODEL=exported/quick -t and-wsgi .
#   docker run --rm -p 8080:8080 and-wsgi

FROM python:3.12-slim

ARG MODEL=exported/quick

WORKDIR /app
COPY docs/examples/serving/requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY docs/examples/serving/gunicorn.conf.py docs/examples/serving/wsgi_server.py ./
COPY ${MODEL} /model

# Nobody; nothing is written.
USER 65534:65534
ENV MODEL=/model PYTHONUNBUFFERED=1
EXPOSE 8080
# Without a shell, so that the server itself gets SIGTERM. It reads
# gunicorn.conf.py where it is started.
CMD ["gunicorn"]
