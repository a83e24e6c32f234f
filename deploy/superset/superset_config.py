"""Superset for one machine: its own metadata in SQLite, on loopback, nothing sent anywhere.

`start.sh` sets the two variables. For more than one person take Superset's own deployment guide,
and keep of this what concerns the published file: read-only, and no pool.
"""

import os
from pathlib import Path

HOME = Path(os.environ["SUPERSET_HOME"])
SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'superset.db'}"
WTF_CSRF_ENABLED = True
RATELIMIT_ENABLED = False
SQLLAB_TIMEOUT = 60
# DuckDB's file is local; Superset asks for this before it takes any file-based database.
PREVENT_UNSAFE_DB_CONNECTIONS = False

# Pages ask this server alone: the default policy lets a counting pixel of another host through.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
