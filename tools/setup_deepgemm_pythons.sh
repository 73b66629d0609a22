#!/usr/bin/env bash
# Print the interpreters of bare virtual environments, one per supported CPython, joined by ":":
#   export DEEPGEMM_PYTHON_INTERPRETERS="$(tools/setup_deepgemm_pythons.sh)"
# Arguments and options are those of `python -m tools.interpreters`; see docs/interpreters.md.
set -euo pipefail

script=${BASH_SOURCE[0]}
[[ $script == */* ]] || script=./$script
root=$(cd -P -- "${script%/*}/.." && pwd)

# uv takes the first Python of PATH and gives up where that is a shim without a version behind it.
# So shims go, and the interpreters that they stand for come last.
IFS=: read -ra folders <<<"$PATH"
folders+=("${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin /opt/python/cp3*/bin)
path=
for folder in "${folders[@]}"; do
    [[ /$folder/ == */shims/* || ! -d $folder ]] || path+=:$folder
done
export PATH=${path#:} PYTHONPATH=$root

if ! uv=${UV:-$(command -v uv)}; then
    echo "error: uv: expected it as \$UV or on PATH, found neither;" \
        "get it with \`python3 -m pip install uv\`" >&2
    exit 14
fi
pins=$("$uv" pip compile --quiet --universal --no-header --no-annotate --python '>=3.10' \
    --group "$root/pyproject.toml:tools")
exec "$uv" run --quiet --isolated --no-project --python '>=3.10' \
    --with-requirements <(echo "$pins") python -m tools.interpreters "$@"
