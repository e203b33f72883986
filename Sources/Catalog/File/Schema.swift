import GRDB

/// A named step of the schema. Steps are appended, never changed: files in the field have run them.
struct SchemaMigration: Sendable {
    let name: String
    let sql: String

    static let all = [
        SchemaMigration(name: "v1", sql: v1), SchemaMigration(name: "schedules", sql: schedules),
        SchemaMigration(name: "clocks", sql: clocks), SchemaMigration(name: "usage", sql: usage),
        SchemaMigration(name: "members", sql: members), SchemaMigration(name: "whole", sql: whole),
        SchemaMigration(name: "labelling", sql: labelling),
        SchemaMigration(name: "holds", sql: holds), SchemaMigration(name: "clones", sql: clones),
        SchemaMigration(name: "clone layers", sql: cloneLayers),
    ]

    /// What marks an SQLite file as a catalog: "smgc" as a big-endian number.
    static let applicationID = 0x736D_6763

    static func migrator(_ migrations: [SchemaMigration]) -> DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for migration in migrations {
            migrator.registerMigration(migration.name) { try $0.execute(sql: migration.sql) }
        }
        return migrator
    }
}

// Times are nanoseconds since 1970 in UTC, sizes are bytes, lists of words are JSON arrays.
extension SchemaMigration {
    private static let v1 = """
        \(volumeTables)
        \(snapshotTables)
        \(chunkMapTables)
        \(revertTables)
        \(logTables)
        """

    // A target is `volume:NAME` or `set:NAME`. The slots that a schedule has served are kept apart from
    // the snapshots, which may be deleted or, for a slot in which nothing had changed, never taken.
    private static let schedules = """
        ALTER TABLE snapshot ADD COLUMN slot INTEGER;
        ALTER TABLE snapshot_set ADD COLUMN held_nanoseconds INTEGER;
        CREATE TABLE schedule_beginning (
            target TEXT NOT NULL,
            schedule TEXT NOT NULL,
            since INTEGER NOT NULL,
            PRIMARY KEY (target, schedule)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE served_slot (
            target TEXT NOT NULL,
            schedule TEXT NOT NULL,
            slot INTEGER NOT NULL,
            PRIMARY KEY (target, schedule, slot)
        ) STRICT, WITHOUT ROWID;
        """

    // The roles are `anchor`, `since` and `last`; what they mean is in `ClockMemory`. The log is asked
    // for the last events of a kind, and must not be read as a whole for that.
    private static let clocks = """
        CREATE TABLE clock_reading (
            role TEXT PRIMARY KEY,
            wall INTEGER NOT NULL,
            boot_id TEXT NOT NULL,
            boot INTEGER NOT NULL,
            steady INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX event_by_kind ON event (kind, volume);
        """

    // What frozen areas occupy, in the folder of snapshots that `usage_folder` names, and the same of a
    // store's index of views as `index_stamp` tells it. A look must not read a row for each snapshot.
    private static let usage = """
        ALTER TABLE volume ADD COLUMN usage_folder TEXT;
        ALTER TABLE volume ADD COLUMN index_stamp TEXT;
        ALTER TABLE volume ADD COLUMN index_bytes INTEGER;
        ALTER TABLE snapshot ADD COLUMN store_bytes INTEGER;
        CREATE INDEX snapshot_usage ON snapshot (volume_id, ordinal, store_bytes, phase)
            WHERE phase = 'present';
        CREATE INDEX snapshot_broken ON snapshot (volume_id, ordinal) WHERE is_broken;
        """

    // The volumes of a set were noted with each of its members: of 200, forty thousand. They are noted
    // with the set now; `SnapshotWriter` says what a member's own column means since then.
    private static let members = """
        ALTER TABLE snapshot_set ADD COLUMN volumes TEXT;
        UPDATE snapshot SET set_volumes = 'null' WHERE set_id IS NOT NULL AND set_volumes IS NULL;
        UPDATE snapshot_set SET volumes = (
            SELECT set_volumes FROM snapshot
            WHERE set_id = snapshot_set.id AND set_volumes <> 'null' LIMIT 1);
        UPDATE snapshot SET set_volumes = NULL
            WHERE set_id IS NOT NULL
                AND set_volumes = (SELECT volumes FROM snapshot_set WHERE id = snapshot.set_id);
        """

    // The snapshot up to which nothing was lost, in the folder of snapshots that `whole_folder` names: a
    // command must not look at each area. Its id tells it from one that has its ordinal later. `doubts` counts
    // how often that was forgotten: a look that had begun before notes nothing.
    private static let whole = """
        ALTER TABLE volume ADD COLUMN whole_folder TEXT;
        ALTER TABLE volume ADD COLUMN whole_id INTEGER;
        ALTER TABLE volume ADD COLUMN whole_ordinal INTEGER;
        ALTER TABLE volume ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0;
        """

    // The snapshot whose labels are written anew just now, or were when a command was cut: what its store
    // says of it counts.
    private static let labelling = """
        ALTER TABLE volume ADD COLUMN labelling INTEGER;
        """

    // An owner may hold a snapshot for several reasons.
    private static let holds = """
        ALTER TABLE hold RENAME TO hold_by_owner;
        CREATE TABLE hold (
            snapshot_id INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
            owner TEXT NOT NULL,
            reason TEXT NOT NULL,
            held_at INTEGER NOT NULL,
            until INTEGER,
            PRIMARY KEY (snapshot_id, owner, reason)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO hold (snapshot_id, owner, reason, held_at, until)
            SELECT snapshot_id, owner, reason, held_at, until FROM hold_by_owner;
        DROP TABLE hold_by_owner;
        """

    // What the stores know of clones. Which is being made or deleted just now, or was when a command was cut,
    // stands beside the volume: what its store says counts then. A snapshot's row goes and comes when its
    // store is read anew, so that it is no foreign key.
    private static let clones = """
        ALTER TABLE volume ADD COLUMN cloning TEXT;
        CREATE TABLE clone (
            id INTEGER PRIMARY KEY,
            volume_id INTEGER NOT NULL REFERENCES volume (id) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            name TEXT NOT NULL,
            snapshot_id INTEGER NOT NULL,
            snapshot_ordinal INTEGER NOT NULL,
            volume_bytes INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            UNIQUE (volume_id, ordinal)
        ) STRICT;
        CREATE INDEX clone_by_name ON clone (name);
        CREATE INDEX clone_by_snapshot ON clone (snapshot_id);
        """

    // Layers are a JSON array of ordinals.
    private static let cloneLayers = """
        ALTER TABLE clone ADD COLUMN role TEXT;
        ALTER TABLE clone ADD COLUMN layers TEXT;
        ALTER TABLE clone ADD COLUMN parent TEXT;
        ALTER TABLE clone ADD COLUMN snapshot_bytes INTEGER;
        """

    private static let volumeTables = """
        CREATE TABLE volume (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            uuid TEXT NOT NULL UNIQUE,
            driver TEXT NOT NULL,
            origin_path TEXT NOT NULL,
            volume_bytes INTEGER NOT NULL,
            chunk_bytes INTEGER NOT NULL,
            store_full_policy TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            floor_snapshot INTEGER NOT NULL,
            floor_set INTEGER NOT NULL,
            floor_revert INTEGER NOT NULL,
            store_path TEXT NOT NULL UNIQUE,
            snapshots_seen INTEGER NOT NULL
        ) STRICT;
        """

    // `ordinal` is 0 until the store has given one. A snapshot's state is not stored but follows
    // from its phase, `is_broken`, the volume's highest ordinal and the reverts that run.
    private static let snapshotTables = """
        CREATE TABLE snapshot_set (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT,
            created_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX snapshot_set_by_name ON snapshot_set (name) WHERE name IS NOT NULL;

        CREATE TABLE snapshot (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            volume_id INTEGER NOT NULL REFERENCES volume (id) ON DELETE CASCADE,
            phase TEXT NOT NULL CHECK (phase IN ('creating', 'present', 'deleting')),
            is_broken INTEGER NOT NULL DEFAULT 0 CHECK (is_broken IN (0, 1)),
            ordinal INTEGER NOT NULL,
            taken_at INTEGER NOT NULL,
            volume_bytes INTEGER NOT NULL,
            kind TEXT NOT NULL,
            consistency TEXT NOT NULL,
            name TEXT,
            set_id INTEGER REFERENCES snapshot_set (id),
            set_volumes TEXT,
            schedule TEXT,
            tags TEXT,
            note TEXT,
            revert_id INTEGER,
            floor_snapshot INTEGER NOT NULL,
            floor_set INTEGER NOT NULL,
            floor_revert INTEGER NOT NULL,
            changed_bytes INTEGER,
            exclusive_bytes INTEGER,
            CHECK (ordinal >= 0 AND (ordinal = 0) = (phase = 'creating'))
        ) STRICT;
        CREATE UNIQUE INDEX snapshot_by_ordinal ON snapshot (volume_id, ordinal) WHERE ordinal > 0;
        CREATE INDEX snapshot_by_volume_time ON snapshot (volume_id, taken_at);
        CREATE INDEX snapshot_by_time ON snapshot (taken_at);
        CREATE INDEX snapshot_by_name ON snapshot (name, volume_id, taken_at)
            WHERE name IS NOT NULL;
        CREATE INDEX snapshot_by_set ON snapshot (set_id) WHERE set_id IS NOT NULL;
        CREATE INDEX snapshot_unfinished ON snapshot (volume_id) WHERE phase <> 'present';
        """

    // Keyed by ordinal and not by snapshot: an area outlives its snapshot as long as an older one
    // needs its chunks.
    private static let chunkMapTables = """
        CREATE TABLE chunk_map (
            id INTEGER PRIMARY KEY,
            volume_id INTEGER NOT NULL REFERENCES volume (id) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            exceptions INTEGER NOT NULL,
            segments INTEGER NOT NULL,
            UNIQUE (volume_id, ordinal)
        ) STRICT;
        CREATE TABLE chunk_segment (
            map_id INTEGER NOT NULL REFERENCES chunk_map (id) ON DELETE CASCADE,
            segment INTEGER NOT NULL,
            runs BLOB NOT NULL,
            UNIQUE (map_id, segment)
        ) STRICT;
        """

    // A revert's snapshots are not foreign keys: what was reverted stays known after they are gone.
    private static let revertTables = """
        CREATE TABLE revert (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            volume_id INTEGER NOT NULL REFERENCES volume (id) ON DELETE CASCADE,
            snapshot_id INTEGER NOT NULL,
            safety_snapshot_id INTEGER,
            group_key INTEGER,
            group_members TEXT,
            plan_bytes INTEGER,
            state TEXT,
            begun_at INTEGER NOT NULL,
            ended_at INTEGER
        ) STRICT;
        CREATE INDEX revert_by_volume ON revert (volume_id);
        CREATE INDEX revert_unfinished ON revert (snapshot_id) WHERE ended_at IS NULL;
        """

    private static let logTables = """
        CREATE TABLE hold (
            snapshot_id INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
            owner TEXT NOT NULL,
            reason TEXT NOT NULL,
            held_at INTEGER NOT NULL,
            until INTEGER,
            PRIMARY KEY (snapshot_id, owner)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time INTEGER NOT NULL,
            level TEXT NOT NULL,
            volume TEXT,
            snapshot_id INTEGER,
            kind TEXT NOT NULL,
            message TEXT NOT NULL,
            details TEXT CHECK (details IS NULL OR json_valid(details))
        ) STRICT;
        """
}
