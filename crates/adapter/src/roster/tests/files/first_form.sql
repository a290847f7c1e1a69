CREATE TABLE enforcers (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    instance TEXT NOT NULL,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    takes_all INTEGER NOT NULL,
    durable INTEGER NOT NULL,
    adapters INTEGER,
    stale_after_s INTEGER,
    stale_policy TEXT,
    state TEXT NOT NULL,
    last_error TEXT,
    not_enforced INTEGER NOT NULL,
    ledger TEXT NOT NULL,
    acked INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    UNIQUE (identity, instance)
) STRICT;
INSERT INTO enforcers VALUES (0, 'enforcer', 'gw', '10.0.0.1:5000', 'DeltaTokens rescind.v1.Range', 1, 1, 1, 900, 'deny',
    'SYNCED', NULL, 0, '0a0b0c0d', 4, 1700000000000, 1700000000000);
PRAGMA user_version = 1;
