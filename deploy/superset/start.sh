#!/usr/bin/env bash
# Superset on http://127.0.0.1:8088 with a read-only connection to the published file and a sample
# dashboard. Needs SUPERSET_ADMIN_PASSWORD; state lies in SUPERSET_HOME (default warehouse/superset).
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
bin="$root/.venv-superset/bin"
port="${SUPERSET_PORT:-8088}"
: "${SUPERSET_ADMIN_PASSWORD:?set it: the password that the user admin will have}"
published="$("$root/.venv/bin/smallcaps" where)"
export SUPERSET_HOME="${SUPERSET_HOME:-$root/warehouse/superset}"
mkdir -p "$SUPERSET_HOME"
if [ ! -e "$SUPERSET_HOME/secret" ]; then
    (umask 077; "$bin/python" -c "import secrets; print(secrets.token_hex(32))" > "$SUPERSET_HOME/secret")
fi
SUPERSET_SECRET_KEY="$(cat "$SUPERSET_HOME/secret")"
export SUPERSET_SECRET_KEY
export SUPERSET_CONFIG_PATH="$root/deploy/superset/superset_config.py"
export FLASK_APP=superset SCARF_ANALYTICS=false
if [ ! -e "$SUPERSET_HOME/ready" ]; then
    echo "setting up Superset in $SUPERSET_HOME (about a minute)"
    "$bin/superset" db upgrade > "$SUPERSET_HOME/setup.log" 2>&1
    "$bin/superset" fab create-admin --username admin --firstname Admin --lastname smallcaps \
        --email admin@localhost.invalid --password "$SUPERSET_ADMIN_PASSWORD" >> "$SUPERSET_HOME/setup.log" 2>&1
    "$bin/superset" init >> "$SUPERSET_HOME/setup.log" 2>&1
    touch "$SUPERSET_HOME/ready"
fi
"$bin/gunicorn" --bind "127.0.0.1:$port" --workers 1 --threads 4 --worker-class gthread --timeout 120 \
    "superset.app:create_app()" >> "$SUPERSET_HOME/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null' EXIT
"$bin/python" "$root/deploy/superset/sample_dashboard.py" --url "http://127.0.0.1:$port" --file "$published"
if [ "${1:-}" != "--once" ]; then
    echo "user admin, Ctrl-C stops it"
    wait "$server"
fi
