-- A ledger as the first form of the schema left it: made by that version's program, closed, and printed.
-- 1 a UUID, 2 `opaque` unknown, 3 an app, 4 a subject, 5 `opaque` never, 6 `far` beyond 2106, 7 `last`, long expired.
PRAGMA application_id = 1381188420;
PRAGMA user_version = 1;
CREATE TABLE groups (
    first    INTEGER PRIMARY KEY,
    last     INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    entries  BLOB NOT NULL
) STRICT;
INSERT INTO groups VALUES(1,2,-4547105973074281256,X'104e330dbd75c64ab5a749b9497aa3521a80a4a7da0604066f7061717565');
INSERT INTO groups VALUES(3,4,7347648611965031695,X'01036b65798098c59fe2310207736f6d656f6e658198c59fe23107555345525f4944');
INSERT INTO groups VALUES(5,6,7294961381922058558,X'08066f7061717565000366617280b4c4c321');
INSERT INTO groups VALUES(7,7,1272617426480115484,X'00046c617374e807');
CREATE TABLE epochs (
    opening INTEGER PRIMARY KEY,
    epoch   INTEGER NOT NULL UNIQUE,
    first   INTEGER NOT NULL,
    last    INTEGER
) STRICT;
INSERT INTO epochs VALUES(1,795290542,0,6);
INSERT INTO epochs VALUES(2,1368979995,6,NULL);
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER
) STRICT;
INSERT INTO meta VALUES('complete',1);
INSERT INTO meta VALUES('source_good_at',1710000000000);
