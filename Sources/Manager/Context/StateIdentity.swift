internal import System
internal import FoundationEssentials
internal import Glibc
internal import SnapshotModel

/// The UUID of a state folder, in the file `identity`. Stores name the state that they belong to by
/// it; it survives the catalog.
struct StateIdentity {
    private let state: StateFolder

    private static let fileName = "identity"
    private static let bytesMaximum = 4096

    init(_ state: StateFolder) { self.state = state }

    private var folder: FileFolder { FileFolder(path: state.path) }

    /// Nil when the state has none yet.
    func read() throws -> StoreOwner? {
        let bytes: [UInt8]
        do throws(IOFailure) {
            bytes = try folder.readFile(Self.fileName, limitBytes: Self.bytesMaximum)
        } catch {
            guard error.isNotFound else { throw error }
            return nil
        }
        let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        guard let uuid = UUID(uuidString: text) else {
            throw Problem(
                .corrupt, "\(state.path)/\(Self.fileName) holds no UUID",
                hint: "restore it; without it, move it away, and take the stores over with "
                    + "\(.catalogRebuildStore(takesOver: true))")
        }
        return StoreOwner(state: uuid.uuidString.lowercased(), path: state.path)
    }

    /// Where the state that took a store still is, if that is elsewhere than this one.
    static func twin(of owner: StoreOwner, _ state: StateFolder) throws -> StoreOwner? {
        guard owner.path != state.path else { return nil }
        let there = StateIdentity(StateFolder(path: owner.path))
        do {
            guard let twin = try there.read(), twin.state == owner.state else { return nil }
            // Two ways may lead to one folder.
            let paths = [owner.path, state.path].map { "\($0)/\(fileName)" }
            return try FileStatus(path: paths[0]).isSame(as: FileStatus(path: paths[1]))
                ? nil : twin
        } catch let failure as IOFailure where unclear.contains(failure.code) {
            // It may be there: that it is not must be known, or be said by people.
            return owner
        } catch {
            // Whatever lies there is no state's identity.
            return nil
        }
    }

    /// Errors of a look-up that leave open whether the file is there.
    private static let unclear = [EIO, EACCES, EPERM, ESTALE, ETIMEDOUT, ENOMEM, EMFILE, ENFILE]

    /// Makes one when there is none. Of two commands that come at once, one makes it.
    func readOrMake() throws -> StoreOwner {
        if let known = try read() { return known }
        let new = UUID().uuidString.lowercased()
        let draft = "\(Self.fileName).\(new)"
        try folder.writeFile(draft, Array((new + "\n").utf8))
        do throws(IOFailure) {
            try folder.renameUnlessTaken(draft, to: Self.fileName)
        } catch {
            try? folder.removeFile(draft)
            guard error.code == EEXIST else { throw error }
        }
        try folder.syncFolder("")
        return try read() ?? StoreOwner(state: new, path: state.path)
    }
}
