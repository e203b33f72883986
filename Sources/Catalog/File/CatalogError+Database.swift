import GRDB
internal import SnapshotModel

extension CatalogError {
    /// Gives an error from the database the catalog's words.
    ///
    /// - Parameter action: what was being done to which object, as in `adding volume data`.
    init(_ error: any Error, action: String, path: String) {
        if let known = error as? CatalogError {
            self = known
            return
        }
        let reason = (error as? DatabaseError)?.message ?? String(describing: error)
        let message = "\(action) failed in the catalog \(path): \(reason)"
        guard let database = error as? DatabaseError else {
            self.init(.corrupt, message, hint: Self.rebuildHint, cause: error)
            return
        }
        let code = Code(database.extendedResultCode)
        self.init(code, message, hint: code.hint, cause: error)
    }
}

extension CatalogError.Code {
    fileprivate init(_ result: ResultCode) {
        switch result {
        case .SQLITE_CONSTRAINT_UNIQUE, .SQLITE_CONSTRAINT_PRIMARYKEY, .SQLITE_CONSTRAINT_ROWID:
            self = .duplicate
        default:
            switch result.primaryResultCode {
            case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .corrupt
            case .SQLITE_CONSTRAINT: self = .constraint
            case .SQLITE_FULL: self = .full
            default: self = .unreadable
            }
        }
    }

    fileprivate var hint: Advice {
        switch self {
        case .corrupt: CatalogError.rebuildHint
        case .locked: "another snapmgr is at work: run \(.status), then try again"
        case .newerSchema: CatalogStore.newerSchemaHint
        case .full: "free space on the catalog's filesystem, then run the command again"
        case .duplicate, .constraint, .held, .notFound:
            "run \(.check()) to compare the catalog with the stores"
        case .unreadable: "check the file and its folder with `ls -ld`, then try again"
        }
    }
}
