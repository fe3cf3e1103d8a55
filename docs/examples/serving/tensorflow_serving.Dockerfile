# TensorFlow Serving with an exported model in it. In this project's directory:
#
#   docker build -f docs/examples/serving/tensorflow_serving.Dockerfile \
#       --build-arg MODEL=exported/quick -t and-serving .
#   docker run --rm -p 8500:8500 -p 8501:8501 and-serving
#
# The image's own entrypoint starts the server, with gRPC at 8500 and REST at
# 8501, and adds what CMD says.

FROM tensorflow/serving:2.20.0

ARG MODEL=exported/quick

COPY export/serving/models.config \
    export/serving/batching_parameters.txt \
    export/serving/monitoring.config /serving/
COPY ${MODEL} /models/and

# Nobody; nothing is written.
USER 65534:65534
EXPOSE 8500 8501
CMD ["--model_config_file=/serving/models.config", \
    "--enable_batching", \
    "--batching_parameters_file=/serving/batching_parameters.txt", \
    "--monitoring_config_file=/serving/monitoring.config"]
