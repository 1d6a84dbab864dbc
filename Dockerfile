# docker build -t adapter-audit . && docker run --rm adapter-audit t5-base --compose parallel:5
FROM python:3.11-slim
RUN useradd --create-home audit
WORKDIR /src
COPY . .
# The CPU build of torch; the index of PyPI would bring one for GPUs, several gigabytes that no audit needs.
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt '.[models]' \
    && rm -rf /src
USER audit
WORKDIR /work
ENTRYPOINT ["adapter-audit"]
